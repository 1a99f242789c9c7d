//! The forms in which programs print a value: what a redactor looks for.
//!
//! Values of fewer than [`SHORTEST_ENCODED`] bytes are looked for as they are only: their forms are so short that they
//! stand in texts that have nothing to do with them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::SHORTEST_MASKED_LINE;

/// Shorter values have no other forms that are looked for.
pub(super) const SHORTEST_ENCODED: usize = 6;

/// Bytes of a value that are known again in a dump, wherever the dump begins a row.
const DUMPED: usize = 4;

/// What stands between characters that are no ASCII is looked for by itself when it is this long.
const LEAST_PART: usize = 8;

/// Bytes in a row of a dump; its column of text shows as many characters.
const ROW: usize = 16;

/// Longer values (keys of several lines) are not looked for in dumps with offsets: each byte would be a needle.
const LONGEST_DUMPED: usize = 512;

/// Everything to look for, so that nothing of `value` is shown. Empty needles are among them.
pub(super) fn forms(value: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([value.to_owned(), value.trim().to_owned()]);
    let lines = value.split(['\n', '\r']).map(str::trim).filter(|line| line.len() >= SHORTEST_MASKED_LINE);
    for text in std::iter::once(value.trim()).chain(lines) {
        found.insert(text.to_owned());
        if text.len() >= SHORTEST_ENCODED {
            base64(text.as_bytes(), &mut found);
            percent(text, &mut found);
            json(text, &mut found);
            shell(text, &mut found);
            markup(text, &mut found);
            hex(text, &mut found);
        }
    }
    // A line that is cut inside of a character shows neither half of it, and there are many ways to escape one.
    let parts = found.iter().filter(|form| !form.is_ascii()).flat_map(|form| form.split(|char: char| !char.is_ascii()));
    let parts: Vec<String> = parts.filter(|part| part.len() >= LEAST_PART).map(str::to_owned).collect();
    found.extend(parts);
    found
}

/// The characters that do not depend on what stands before and after the value, at each of the three places that its
/// first byte can have among the three bytes that four characters hold; and those of a text that ends with it.
fn base64(bytes: &[u8], found: &mut BTreeSet<String>) {
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        for shift in 0..3 {
            let mut padded = vec![0; shift];
            padded.extend(bytes);
            let text = engine.encode(&padded);
            let (begin, end) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
            found.insert(text[begin..end].to_owned());
            found.insert(text[begin..].to_owned());
        }
    }
}

/// RFC 3986, and what the libraries leave as it is.
fn percent(text: &str, found: &mut BTreeSet<String>) {
    let escaped = |kept: &str, blank: &str, upper: bool| {
        text.bytes().fold(String::new(), |mut all, byte| {
            match byte {
                b' ' if !blank.is_empty() => all.push_str(blank),
                byte if kept.contains(char::from(byte)) && byte.is_ascii() => all.push(char::from(byte)),
                byte if byte.is_ascii_alphanumeric() && !kept.is_empty() => all.push(char::from(byte)),
                byte if upper => drop(write!(all, "%{byte:02X}")),
                byte => drop(write!(all, "%{byte:02x}")),
            }
            all
        })
    };
    // The unreserved ones; `encodeURIComponent`; Python's `quote`; `encodeURI`; a form's; segments of paths, as RFC 3986,
    // Go and the WHATWG's URL Standard have them, and paths.
    let sets = [
        "-._~",
        "-._~!'()*",
        "-._~/",
        "-._~!'()*;,/?:@&=+$#",
        "-._*",
        "-._",
        "-._~!$&'()*+,;=:@",
        "-._~$&+=:@",
        "-._~!$&'()*+,;=:@[]|",
        "-._~!$&'()*+,;=:@[]|^",
        "-._~!$&'()*+,;=:@[]|/",
        "-._~!$&'()*+,;=:@[]|^/",
    ];
    for kept in sets {
        for upper in [true, false] {
            let once = escaped(kept, "", upper);
            found.insert(once.replace('%', "%25"));
            found.insert(once);
            found.insert(escaped(kept, "+", upper));
        }
    }
    found.extend([escaped("", "", true), escaped("", "", false)]);
}

/// RFC 8259: as short as can be, with `/` escaped, in ASCII, safe inside of HTML, everything as `\u`; and JSON in JSON.
fn json(text: &str, found: &mut BTreeSet<String>) {
    let unicode = |all: &mut String, char: char, upper: bool| {
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(all, "\\u{unit:04X}") } else { write!(all, "\\u{unit:04x}") };
        }
    };
    let escaped = |text: &str, as_unicode: &dyn Fn(char) -> bool, upper: bool| {
        text.chars().fold(String::new(), |mut all, char| {
            match char {
                char if as_unicode(char) => unicode(&mut all, char, upper),
                '"' => all.push_str("\\\""),
                '\\' => all.push_str("\\\\"),
                '\n' => all.push_str("\\n"),
                '\r' => all.push_str("\\r"),
                '\t' => all.push_str("\\t"),
                char if char.is_ascii_control() => unicode(&mut all, char, upper),
                char => all.push(char),
            }
            all
        })
    };
    let ways: [&dyn Fn(char) -> bool; 5] = [
        &|_| false,
        &|char| !char.is_ascii(),
        &|char| "<>&".contains(char),
        &|char| !char.is_ascii() || "<>&'\"+`".contains(char),
        &|_| true,
    ];
    for way in ways {
        for upper in [false, true] {
            let once = escaped(text, way, upper);
            found.insert(once.replace('/', "\\/"));
            found.insert(escaped(&once, &|_| false, upper));
            found.insert(once);
        }
    }
}

/// How shells and interpreters quote words: `'…'`, `"…"`, `$'…'`, a backslash before each sign (`printf %q`), doubled
/// quotes of SQL and YAML.
fn shell(text: &str, found: &mut BTreeSet<String>) {
    let before = |signs: &dyn Fn(char) -> bool| {
        text.chars().fold(String::new(), |mut all, char| {
            all.extend(signs(char).then_some('\\'));
            all.push(char);
            all
        })
    };
    let controls = |text: String| text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    found.extend(["'\\''", "'\"'\"'", "''"].map(|quote| text.replace('\'', quote)));
    found.insert(text.replace('"', "\"\""));
    found.extend(["\\\"$`", "\\\"$`!", "\""].map(|signs| before(&|char| signs.contains(char))));
    found.extend(["\\'", "\\'\"", "\\"].map(|signs| controls(before(&|char| signs.contains(char)))));
    let bash = " \t\n'\"\\|&;()<>!{}*[]?^$`";
    found.insert(before(&|char| bash.contains(char)));
    found.insert(before(&|char| bash.contains(char) || char == ','));
    found.insert(before(&|char| char.is_ascii() && !char.is_ascii_alphanumeric() && !"_@%+=:,./-".contains(char)));
    found.insert(before(&|char| char.is_ascii_punctuation() || char == ' '));
    found.insert(before(&|_| true));
    found.insert(as_ls(text));
    // `$'…'` and Python's `bytes` show what is no ASCII byte by byte.
    let octal = |byte: &u8| if byte.is_ascii() { escape_ansi(*byte) } else { format!("\\{byte:03o}") };
    let hexadecimal = |byte: &u8| if byte.is_ascii() { escape_ansi(*byte) } else { format!("\\x{byte:02x}") };
    found.insert(text.as_bytes().iter().map(octal).collect());
    found.insert(text.as_bytes().iter().map(hexadecimal).collect());
}

/// As `ls` and other coreutils quote names outside of UTF-8 locales: a `$'…'` for the bytes that are no ASCII.
fn as_ls(text: &str) -> String {
    let (mut all, mut inside) = (String::new(), false);
    for char in text.chars() {
        if inside == char.is_ascii() {
            inside = !inside;
            all.push_str(if inside { "'$'" } else { "''" });
        }
        match char {
            '\'' => all.push_str("'\\''"),
            char if char.is_ascii() => all.push(char),
            char => char.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| {
                let _ = write!(all, "\\{byte:03o}");
            }),
        }
    }
    all
}

fn escape_ansi(byte: u8) -> String {
    match byte {
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\r' => "\\r".to_owned(),
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        byte => char::from(byte).to_string(),
    }
}

/// HTML and XML: the five signs by name and by number, as the usual libraries write them.
fn markup(text: &str, found: &mut BTreeSet<String>) {
    let base = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    for double in ["\"", "&quot;", "&#34;", "&#x22;"] {
        for single in ["'", "&#39;", "&#x27;", "&apos;", "&#039;"] {
            found.insert(base.replace('"', double).replace('\'', single));
        }
    }
    found.insert(text.chars().fold(String::new(), |mut all, char| {
        let _ = write!(all, "&#{};", u32::from(char));
        all
    }));
}

/// In one piece, and as dumps and fingerprints show bytes: in rows of [`ROW`] with offsets between them, so that only
/// short pieces stand together.
fn hex(text: &str, found: &mut BTreeSet<String>) {
    let lower: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let upper: Vec<String> = text.bytes().map(|byte| format!("{byte:02X}")).collect();
    for bytes in [&lower, &upper] {
        found.insert(bytes.concat());
        found.insert(bytes.iter().map(|byte| format!("\\x{byte}")).collect());
        let between = [" ", ":", ", 0x", ",0x"];
        if text.len() > LONGEST_DUMPED {
            found.extend(between.map(|between| bytes.join(between)));
            continue;
        }
        for piece in bytes.windows(DUMPED) {
            found.extend(between.map(|between| piece.join(between)));
            found.insert(format!("{}{} {}{}", piece[0], piece[1], piece[2], piece[3]));
            found.insert(format!("{} {}{} {}", piece[0], piece[1], piece[2], piece[3]));
        }
    }
    if text.len() <= LONGEST_DUMPED && text.is_ascii() {
        found.extend((0..=text.len().saturating_sub(ROW)).filter_map(|at| text.get(at..at + ROW)).map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_characters_stand_in_every_base64_text_that_holds_the_value() {
        let forms = forms("hunter2-é");
        for (before, after) in [("", "x"), ("a", "yz"), ("ab", ""), ("abc", "\n")] {
            let text = STANDARD_NO_PAD.encode(format!("{before}hunter2-é{after}"));
            let longest = forms.iter().filter(|form| text.contains(form.as_str())).map(String::len).max();
            assert!(longest >= Some(12), "{text}: {longest:?}");
        }
    }

    #[test]
    fn a_short_value_is_looked_for_as_it_is_only() {
        assert_eq!(forms(" ab& "), BTreeSet::from(["ab&".to_owned(), " ab& ".to_owned()]));
    }

    #[test]
    fn quoting_is_known_in_its_usual_spellings() {
        let forms = forms("it's \"a\" <b>/ü");
        let spellings = [
            r#"it'\''s "a" <b>/ü"#,
            r#"it\'s \"a\" <b>/ü"#,
            r#"it\'s\ \"a\"\ \<b\>/ü"#,
            r#"it's \"a\" <b>\/\u00fc"#,
            r#"it's \\\"a\\\" <b>/ü"#,
            r#"it's \"a\" \u003cb\u003e/ü"#,
            "it%27s%20%22a%22%20%3Cb%3E%2F%C3%BC",
            "it%27s+%22a%22+%3cb%3e%2f%c3%bc",
            "it&#39;s &quot;a&quot; &lt;b&gt;/ü",
            r#"it\'s "a" <b>/\303\274"#,
            "6974277320226122203c623e2fc3bc",
        ];
        for spelling in spellings {
            assert!(forms.contains(spelling), "{spelling}");
        }
    }
}
