//! What was probably meant by an expression that can't be parsed.

use crate::diagnostic::nearest;
use crate::expression::{self, SyntaxError};

/// Words and signs of other languages, and what stands for them here.
const SIGNS: [(&str, &str); 9] = [
    ("=", "to compare, write `==`"),
    ("===", "to compare, write `==`"),
    ("and", "write `&&`"),
    ("&", "write `&&`"),
    ("or", "write `||`"),
    ("|", "write `||`"),
    ("not", "write `!`"),
    ("in", "write `contains(list, item)`"),
    ("?", "write `condition && one || other`"),
];

/// What to write instead, if the parser's message tells.
pub(crate) fn hint(error: &SyntaxError) -> Option<String> {
    let (what, rest) = error.message.split_once(" `")?;
    let (lexeme, _) = rest.rsplit_once('`')?;
    match what {
        "unrecognized function" => {
            let name = nearest(lexeme, expression::function_names())?;
            Some(format!("did you mean `{name}`?"))
        }
        "unexpected symbol" => symbol(lexeme),
        _ => None,
    }
}

fn symbol(lexeme: &str) -> Option<String> {
    if let Some((_, help)) = SIGNS.iter().find(|(sign, _)| *sign == lexeme) {
        return Some((*help).to_owned());
    }
    match lexeme.chars().next()? {
        '"' => Some(format!("texts have single quotes: `'{}'`", lexeme.trim_matches('"'))),
        '$' => Some("variables are read by name: `vars.NAME`, or `env.NAME` in steps".to_owned()),
        '-' | '+' | '*' | '/' | '%' => Some("expressions do not calculate: do it in a script".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_of(text: &str) -> String {
        expression::parse(text).err().and_then(|error| hint(&error)).unwrap_or_default()
    }

    #[test]
    fn habits_of_other_languages_are_known() {
        assert_eq!(hint_of("a == \"b\""), "texts have single quotes: `'b'`");
        assert_eq!(hint_of("a = 'b'"), "to compare, write `==`");
        assert_eq!(hint_of("a and b"), "write `&&`");
        assert_eq!(hint_of("$CI_COMMIT_TAG"), "variables are read by name: `vars.NAME`, or `env.NAME` in steps");
        assert_eq!(hint_of("a - 1"), "expressions do not calculate: do it in a script");
        assert_eq!(hint_of("start_with('a', 'b')"), "did you mean `startsWith`?");
        assert_eq!(hint_of("nope()"), "");
        assert_eq!(hint_of("'open"), "");
    }
}
