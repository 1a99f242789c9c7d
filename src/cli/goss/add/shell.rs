//! What a script surely leaves behind, by its text. Whatever is conditional, made of variables or not understood is left
//! out: a suggestion that is wrong is worse than none.

/// A command at the top of a script, which runs whenever the script does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    /// Without variables in front, `sudo` and redirections.
    pub(super) words: Vec<String>,
    /// Counted from 0.
    pub(super) line: usize,
}

/// Commands behind which `&&` makes no condition: they are there to succeed.
const STEADY: [&str; 16] = [
    "apt-get",
    "apt",
    "dnf",
    "yum",
    "microdnf",
    "apk",
    "systemctl",
    "rc-update",
    "useradd",
    "adduser",
    "groupadd",
    "addgroup",
    "cd",
    "mkdir",
    "export",
    "set",
];

const OPENING: [&str; 7] = ["if", "for", "while", "until", "case", "select", "{"];
const CLOSING: [&str; 4] = ["fi", "done", "esac", "}"];

/// What a script runs in any case, in its order.
pub(super) fn plain_commands(script: &str) -> Vec<Plain> {
    let mut found = Vec::new();
    let mut depth = 0_i32;
    let mut heredoc: Option<String> = None;
    for (line, text) in logical_lines(script) {
        if let Some(end) = &heredoc {
            if text.trim() == end {
                heredoc = None;
            }
            continue;
        }
        let Some(tokens) = tokens(&text) else {
            // A quote that goes on in the next line, or worse: nothing behind it is known.
            return found;
        };
        heredoc = end_of_heredoc(&tokens);
        if ends_the_script(&tokens, depth) {
            return found;
        }
        let change = nesting(&tokens);
        if depth == 0 && change == 0 && heredoc.is_none() {
            found.extend(commands(&tokens).into_iter().map(|words| Plain { words, line }));
        }
        depth += change;
    }
    found
}

/// Lines, those that end in a backslash joined with the next.
fn logical_lines(script: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in script.lines().enumerate() {
        let (first, before) = open.take().unwrap_or((number, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => open = Some((first, format!("{before}{part} "))),
            None => lines.push((first, before + line)),
        }
    }
    lines.extend(open);
    lines
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, and whether it is the same whatever the variables and files are.
    Word {
        text: String,
        literal: bool,
        quoted: bool,
    },
    Operator(String),
}

impl Token {
    fn is(&self, operator: &str) -> bool {
        matches!(self, Self::Operator(text) if text == operator)
    }
}

/// The words and operators of a line. None: a quote is open.
fn tokens(line: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(&letter) = letters.peek() {
        if letter.is_whitespace() {
            letters.next();
        } else if letter == '#' {
            break;
        } else if "|&;<>()".contains(letter) {
            let mut operator = String::new();
            while let Some(next) =
                letters.next_if(|next| *next == letter || operator.ends_with(['<', '>']) && *next == '&')
            {
                operator.push(next);
            }
            tokens.push(Token::Operator(operator));
        } else {
            tokens.push(word(&mut letters)?);
        }
    }
    Some(tokens)
}

fn word(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let (mut text, mut literal, mut quoted) = (String::new(), true, false);
    while let Some(letter) = letters.next_if(|next| !next.is_whitespace() && !"|&;<>()".contains(*next)) {
        match letter {
            '\'' => {
                quoted = true;
                loop {
                    match letters.next()? {
                        '\'' => break,
                        inner => text.push(inner),
                    }
                }
            }
            '"' => {
                quoted = true;
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => text.push(letters.next()?),
                        inner => {
                            literal &= !"$`".contains(inner);
                            text.push(inner);
                        }
                    }
                }
            }
            '\\' => text.push(letters.next()?),
            _ => {
                literal &= !"$`*?[{~!".contains(letter);
                text.push(letter);
            }
        }
    }
    Some(Token::Word { text, literal, quoted })
}

/// The line that ends the text which follows a line.
fn end_of_heredoc(tokens: &[Token]) -> Option<String> {
    let at = tokens.iter().position(|token| token.is("<<"))?;
    match tokens.get(at + 1) {
        Some(Token::Word { text, .. }) => Some(text.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

fn first_words(tokens: &[Token]) -> impl Iterator<Item = &str> {
    let simple = tokens.split(|token| matches!(token, Token::Operator(text) if !text.contains(['<', '>'])));
    simple.filter_map(|command| match command.first() {
        Some(Token::Word { text, quoted: false, .. }) => Some(text.as_str()),
        _ => None,
    })
}

/// By how much a line goes deeper into conditions, loops and functions.
fn nesting(tokens: &[Token]) -> i32 {
    let words = first_words(tokens).map(|word| match word {
        word if OPENING.contains(&word) => 1,
        word if CLOSING.contains(&word) => -1,
        _ => 0,
    });
    let parentheses: i32 = tokens.iter().map(parenthesis).sum();
    // The `)` behind a pattern of a `case` closes nothing.
    let closes = tokens.first().is_some_and(|first| parenthesis(first) < 0);
    words.sum::<i32>() + if closes { parentheses } else { parentheses.max(0) }
}

fn parenthesis(token: &Token) -> i32 {
    match token {
        Token::Operator(text) if text.starts_with('(') => 1,
        Token::Operator(text) if text.starts_with(')') => -1,
        _ => 0,
    }
}

/// Whether what follows a line may not run although nothing failed.
fn ends_the_script(tokens: &[Token], depth: i32) -> bool {
    let simple = tokens.split(|token| matches!(token, Token::Operator(text) if !text.contains(['<', '>'])));
    let mut words = simple.map(|command| {
        let words = command.iter().filter_map(|token| match token {
            Token::Word { text, .. } => Some(text.as_str()),
            Token::Operator(_) => None,
        });
        words.skip_while(|word| ["then", "else", "do", "{"].contains(word)).collect::<Vec<_>>()
    });
    words.any(|words| match words[..] {
        // What ends with a failure makes no image.
        ["exit", status] => status == "0" || status.parse::<u8>().is_err(),
        ["exit", ..] => true,
        ["return", ..] => depth == 0,
        // Alone it redirects.
        ["exec", _, ..] => depth == 0 && !tokens.iter().any(|token| matches!(token, Token::Operator(_))),
        _ => false,
    })
}

/// The commands of a line that run in any case.
fn commands(tokens: &[Token]) -> Vec<Vec<String>> {
    let touchy = |token: &Token| token.is("||") || token.is("|") || token.is("&") || token.is("(") || token.is("()");
    if tokens.iter().any(touchy) || first_words(tokens).any(|word| OPENING.contains(&word) || CLOSING.contains(&word)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for list in tokens.split(|token| token.is(";")) {
        for command in list.split(|token| token.is("&&")) {
            let Some(words) = simple(command) else { break };
            let steady = words.first().is_some_and(|word| STEADY.contains(&word.as_str()));
            found.push(words);
            if !steady {
                // What follows may not run.
                break;
            }
        }
    }
    found
}

/// The words of a command; none when one of them is not literal.
fn simple(tokens: &[Token]) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut tokens = tokens.iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word { text, literal, .. } => {
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                if is_number && tokens.peek().is_some_and(|next| matches!(next, Token::Operator(_))) {
                    // The descriptor of a redirection.
                    continue;
                }
                let may_vary = words.is_empty() && is_assignment(text);
                if !(*literal || may_vary) {
                    return None;
                }
                words.push(text.clone());
            }
            // A redirection and its target.
            Token::Operator(_) => {
                tokens.next();
            }
        }
    }
    let skipped = ["sudo", "env", "-E"];
    let start = words.iter().position(|word| !is_assignment(word) && !skipped.contains(&word.as_str()));
    let words = words.split_off(start?);
    Some(words)
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

#[cfg(test)]
mod tests {
    use super::plain_commands;

    fn found(script: &str) -> Vec<String> {
        plain_commands(script).into_iter().map(|plain| format!("{} {}", plain.line, plain.words.join(" "))).collect()
    }

    #[test]
    fn what_runs_in_any_case_is_found_with_its_line() {
        let script = "set -e\nexport A=b\nDEBIAN_FRONTEND=noninteractive sudo apt-get install -y \\\n  nginx 'curl' \"jq\" >/dev/null 2>&1 # why\n\
                      apt-get update && apt-get install -y git; systemctl enable nginx\n";
        assert_eq!(
            found(script),
            [
                "0 set -e",
                "1 export A=b",
                "2 apt-get install -y nginx curl jq",
                "4 apt-get update",
                "4 apt-get install -y git",
                "4 systemctl enable nginx"
            ]
        );
    }

    #[test]
    fn what_is_conditional_is_not() {
        for script in [
            "if true; then\n  apt-get install x\nfi",
            "if true; then apt-get install x; fi",
            "for a in b; do\n  apt-get install x\ndone",
            "case a in\n  a) apt-get install x;;\nesac",
            "f() {\n  apt-get install x\n}",
            "apt-get install x || true",
            "apt-get install x | tee log",
            "apt-get install x &",
            "( apt-get install x )",
            "apt-get install \"$x\"",
            "apt-get install `x`",
            "apt-get install {x,y}",
            "cat <<END\napt-get install x\nEND",
            "cat <<-'END' >file\napt-get install x\n\tEND",
            "case a in\n  a)\n    apt-get install x\n    ;;\nesac",
            "(\n  apt-get install x\n)",
            "exit 0\napt-get install x",
            "[ -e /x ] && exit\napt-get install x",
            "if [ -e /x ]; then\n  exit 0\nfi\napt-get install x",
            "exec sh\napt-get install x",
            "echo 'one\napt-get install x'",
            "! apt-get install x",
            "$SUDO apt-get install x",
        ] {
            let found = found(script).into_iter().filter(|command| command.contains("install")).collect::<Vec<_>>();
            assert!(found.is_empty(), "{script}: {found:?}");
        }
        assert_eq!(found("[ -e /x ] && apt-get install x"), Vec::<String>::new());
        assert_eq!(found("test -e /x && apt-get install x"), ["0 test -e /x"]);
        assert_eq!(found("exec >log\nx || exit 1\napt-get install x"), ["0 exec", "2 apt-get install x"]);
        assert_eq!(found("f() {\n  return\n}\napt-get install x"), ["3 apt-get install x"]);
        assert_eq!(found("if a; then b; fi\napt-get install x\n"), ["1 apt-get install x"]);
    }

    proptest::proptest! {
        #[test]
        fn no_script_is_a_panic(script in "([a-z$ ]|\n|[(){}|&;<>'\"\\\\#=]|if |fi|<<E){0,60}") {
            let _ = plain_commands(&script);
        }
    }
}
