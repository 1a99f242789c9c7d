//! Workflow commands as GitHub's runner parses them (`ActionCommand.cs`): `::name key=value,key=value::data`. Pure.

/// The text as a command's data. `%` comes first, for the runner undoes it last.
pub(in crate::report) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The text as the value of a command's property.
pub(in crate::report) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A whole command as a line. Properties without a value are left out, as the runner would drop them.
pub(super) fn line(name: &str, properties: &[(&str, String)], text: &str) -> String {
    let given = properties.iter().filter(|(_, value)| !value.is_empty());
    let properties: Vec<String> = given.map(|(key, value)| format!("{key}={}", property(value))).collect();
    let blank = if properties.is_empty() { "" } else { " " };
    format!("::{name}{blank}{}::{}\n", properties.join(","), data(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_carries_any_text_in_one_line() {
        let properties = [("file", "a,b:c%2C.yml".to_owned()), ("line", "3".to_owned()), ("title", String::new())];
        assert_eq!(
            line("error", &properties, "100 %\r\n::x"),
            "::error file=a%2Cb%3Ac%252C.yml,line=3::100 %25%0D%0A::x\n"
        );
        assert_eq!(line("endgroup", &[], ""), "::endgroup::\n");
    }
}
