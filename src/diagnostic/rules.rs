//! The rules: their names, and what they mean. `docs/rules.md` is the table, read at run time from the binary itself, so
//! that the documentation and what `ovenbird explain` prints are one text.

/// The documentation: a section of the second level for each rule.
const PAGE: &str = include_str!("../../docs/rules.md");

/// A rule that a diagnostic names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    /// The first paragraph: what is wrong, and what to do.
    pub summary: &'static str,
    /// All that there is to read, with examples, as Markdown.
    pub text: &'static str,
}

impl Rule {
    /// The first sentence.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.summary.split_once(". ").map_or(self.summary, |(first, _)| first).trim_end_matches('.')
    }
}

/// All rules, as the page has them.
pub fn all() -> impl Iterator<Item = Rule> {
    PAGE.split("\n## `").skip(1).filter_map(|section| {
        let (name, rest) = section.split_once("`\n")?;
        let text = rest.trim();
        let summary = text.split("\n\n").next().unwrap_or_default();
        Some(Rule { name, summary, text })
    })
}

/// The rule with a name.
#[must_use]
pub fn find(name: &str) -> Option<Rule> {
    all().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_sentence_and_an_example() {
        assert!(all().count() > 20);
        for rule in all() {
            assert!(rule.summary.ends_with('.'), "{}: {}", rule.name, rule.summary);
            assert!(rule.text.contains("\n```"), "{} has no example", rule.name);
        }
        assert_eq!(find("unknown-key").map(|rule| rule.title()), Some("A key that the language does not have"));
    }

    #[test]
    fn no_rule_is_there_twice() {
        let mut names: Vec<&str> = all().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
    }
}
