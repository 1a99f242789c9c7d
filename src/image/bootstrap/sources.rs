//! apt's source files: reading both formats, writing the newer one. Pure.

/// One set of binary package sources. Entries of sources only, and disabled ones, are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) uri: String,
    pub(super) suites: Vec<String>,
    pub(super) components: Vec<String>,
    /// A path; keys written into the entry itself count as none.
    pub(super) signed_by: Option<String>,
}

/// Reads a `.list` file: `deb [options] URI SUITE COMPONENT…`.
pub(super) fn parse_list(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Entry {
        uri: words.next()?,
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: signed_by.map(|path| path.trim_matches('"').to_owned()),
    })
}

/// Reads a `.sources` file: paragraphs of `Field: value`.
pub(super) fn parse_deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            entries.extend(entries_of(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

fn entries_of(fields: &[(String, String)]) -> Vec<Entry> {
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.as_str());
    let words = |name: &str| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let disabled = matches!(field("enabled").to_ascii_lowercase().as_str(), "no" | "false" | "0");
    if disabled || !words("types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let signed_by = Some(field("signed-by")).filter(|path| path.starts_with('/')).map(str::to_owned);
    let entry =
        |uri| Entry { uri, suites: words("suites"), components: words("components"), signed_by: signed_by.clone() };
    words("uris").into_iter().map(entry).collect()
}

/// A paragraph of a `.sources` file.
pub(super) fn deb822(uri: &str, suites: &[String], signed_by: &str) -> String {
    let suites = suites.join(" ");
    format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {signed_by}\n")
}

/// The suites that belong to `suite`: those of the main archive, and that of the security archive.
pub(super) fn suites(suite: &str) -> (Vec<String>, Option<String>) {
    match suite {
        // Everything new is uploaded there first: it has neither updates nor security updates.
        "sid" | "unstable" => (vec![suite.to_owned()], None),
        _ => (vec![suite.to_owned(), format!("{suite}-updates")], Some(format!("{suite}-security"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &str, suites: &[&str], components: &[&str], signed_by: Option<&str>) -> Entry {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Entry {
            uri: uri.to_owned(),
            suites: words(suites),
            components: words(components),
            signed_by: signed_by.map(str::to_owned),
        }
    }

    #[test]
    fn one_line_sources_are_read_with_and_without_options() {
        let text = "deb http://a.test/debian bookworm main contrib # note\n\
                    deb [arch=amd64 signed-by=/k.gpg] https://b.test/debian/ trixie main\n\
                    deb-src http://a.test/debian bookworm main\n\
                    # deb http://c.test/debian sid main\n\
                    debian\n\
                    deb http://broken\n";
        assert_eq!(
            parse_list(text),
            [
                entry("http://a.test/debian", &["bookworm"], &["main", "contrib"], None),
                entry("https://b.test/debian/", &["trixie"], &["main"], Some("/k.gpg")),
            ]
        );
    }

    #[test]
    fn deb822_sources_are_read_with_comments_continuations_and_several_addresses() {
        let text = "Types: deb deb-src\n# a comment\nURIs: http://a.test/debian\n http://b.test/debian\n\
                    Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\n\n\
                    types: deb\nuris: http://c.test/debian\nsuites: sid\ncomponents: main\nenabled: no\n\n\
                    Types: deb-src\nURIs: http://d.test/debian\nSuites: sid\nComponents: main\n\n\
                    Types: deb\nURIs: http://e.test/debian\nSuites: sid\nComponents: main\n\
                    Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQENB\n";
        assert_eq!(
            parse_deb822(text),
            [
                entry("http://a.test/debian", &["bookworm", "bookworm-updates"], &["main"], Some("/k.gpg")),
                entry("http://b.test/debian", &["bookworm", "bookworm-updates"], &["main"], Some("/k.gpg")),
                entry("http://e.test/debian", &["sid"], &["main"], None),
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = deb822("http://a.test/debian", &["sid".to_owned()], "/k.gpg");
        assert_eq!(parse_deb822(&text), [entry("http://a.test/debian", &["sid"], &["main"], Some("/k.gpg"))]);
    }
}
