//! Expressions by the grammar, with contexts of every type, and a share of them broken.

use serde_json::{Map, Value as Json, json};

/// An expression and what it can refer to.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) text: String,
    pub(crate) contexts: Map<String, Json>,
}

/// Makes the same cases of the same seed, here and anywhere (splitmix64).
pub(crate) struct Generator(u64);

const CONTEXTS: &[&str] = &["list", "object", "text", "number", "any", "nothing"];

const KEYS: &[&str] = &["a", "B", "key", "KEY", "x-1", "_u", "é", "É", "", "5x", "a b", "ß", "SS", "true", "İ"];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "+1",
    "2",
    "0.5",
    ".5",
    "5.",
    "-.5",
    "1e3",
    "1E-3",
    "5.e3",
    "0x10",
    "0xFf",
    "0XA",
    "0xffffffffffffffffffff",
    "0o17",
    "0O7",
    "0b11",
    "1e20",
    "1e21",
    "123456789.123456789",
    "1e-6",
    "1e-7",
    "1e-15",
    "1e-16",
    "1e400",
    "-1e400",
    "123456789012345678901234567890",
    "0.1",
    "0.30000000000000004",
    "1.7976931348623157e308",
    "5e-324",
    "2147483648",
    "9007199254740993",
    "NaN",
    "Infinity",
    "-Infinity",
    "+Infinity",
];

const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "B",
    "ab",
    "key",
    "ß",
    "ẞ",
    "ss",
    "ı",
    "I",
    "İ",
    "i",
    "ǆ",
    "ﬃ",
    "Σ",
    "ΑΣ",
    "ς",
    "😊",
    "é",
    "e\u{301}",
    "\u{feff}1",
    "\u{85}1",
    "\u{a0}2\u{2003}",
    "0x1F",
    " 12 ",
    "1e3",
    "-0",
    ".",
    "1_0",
    "Infinity",
    "NaN",
    "true",
    "false",
    "null",
    "Object",
    "Array",
    "{0}",
    "{{{0}}}",
    "{1}-{0}",
    "{9}",
    "{",
    "}}",
    "{300}",
    "*",
    "it's",
    "\n",
    "\t\"\\",
    "\u{2028}",
    "\u{0}",
    "\u{7f}\u{1f}",
    ",",
    "}}${{",
];

const JSONS: &[&str] = &[
    "null",
    "[]",
    "{}",
    " [1 , 2] ",
    "\n{\"a\":1,\"A\":2,\"a\":3}\t",
    "[1,]",
    "nul",
    "01",
    "-0",
    "1e5",
    "\"\\u00e9\\n\"",
    "\"\\x\"",
    "{\"a\":{\"a\":[{\"a\":1}]}}",
    "[[1,[2]],[3]]",
    "'a'",
    "1 2",
    "",
    " ",
    "NaN",
    "0.1e-2",
    "\"\t\"",
    "123456789012345678901234567890",
];

/// What is put into an expression to break it, or not.
const PIECES: &[&str] = &[
    "(", ")", "[", "]", ".", ",", "*", "!", "'", "''", "==", "=", "<", ">=", "&&", "&", "||", "|", " ", "\n", "1", "x",
    "-", "+", "\"", "$", "{", "}", "ü", "😊", "null", "list", "a.b", "e", "0x", "\\",
];

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn case(&mut self) -> Case {
        let depth = self.below(5);
        let text = self.expression(depth);
        let text = if self.chance(15) { self.broken(&text) } else { text };
        Case { text, contexts: self.contexts() }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    fn contexts(&mut self) -> Map<String, Json> {
        let items = self.below(5);
        let list = (0..items).map(|_| self.json(3)).collect();
        let (number, text) = (self.json_number(), self.pick(TEXTS));
        let contexts = json!({
            "list": Json::Array(list),
            "object": self.json_object(3),
            "text": text,
            "number": number,
            "any": self.json(2),
            "nothing": null,
        });
        contexts.as_object().cloned().unwrap_or_default()
    }

    fn json(&mut self, depth: usize) -> Json {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Json::Null,
            1 => json!(self.chance(50)),
            2 => self.json_number(),
            3 | 4 => json!(self.pick(TEXTS)),
            5 | 6 => {
                let items = self.below(4);
                (0..items).map(|_| self.json(depth - 1)).collect()
            }
            _ => self.json_object(depth - 1),
        }
    }

    fn json_object(&mut self, depth: usize) -> Json {
        let pairs = self.below(5);
        let pairs = (0..pairs).map(|_| (self.pick(KEYS).to_owned(), self.json(depth)));
        Json::Object(pairs.collect())
    }

    fn json_number(&mut self) -> Json {
        match self.below(4) {
            0 => json!(self.below(4)),
            1 => json!(-2.5),
            // Odd multiples of 1/65536 are halfway between two numbers of 15 decimals.
            2 => json!((2.0 * self.below(100_000) as f64 - 99_999.0) / 65_536.0),
            _ => loop {
                let number = f64::from_bits(self.next());
                if number.is_finite() {
                    break json!(number);
                }
            },
        }
    }

    fn space(&mut self) -> &'static str {
        self.pick(&["", "", " ", " ", " ", "  ", "\n", "\t", "\r\n"])
    }

    fn expression(&mut self, depth: usize) -> String {
        let Some(inner) = depth.checked_sub(1) else { return self.leaf() };
        match self.below(12) {
            0 => self.leaf(),
            1 | 2 => {
                let operator = self.pick(&["==", "!=", "<", "<=", ">", ">="]);
                self.infix(operator, inner)
            }
            3 | 4 => {
                let operator = self.pick(&["&&", "||"]);
                self.infix(operator, inner)
            }
            5 => format!("!{}{}", self.space(), self.expression(inner)),
            6 => format!("({}{}{})", self.space(), self.expression(inner), self.space()),
            7 | 8 => self.access(inner),
            _ => self.call(inner),
        }
    }

    fn infix(&mut self, operator: &str, inner: usize) -> String {
        let (left, right) = (self.expression(inner), self.expression(inner));
        format!("{left}{}{operator}{}{right}", self.space(), self.space())
    }

    fn leaf(&mut self) -> String {
        match self.below(10) {
            0 => self.pick(&["null", "true", "false", "True", "NULL"]).to_owned(),
            1 | 2 => self.pick(NUMBERS).to_owned(),
            3 => f64::from_bits(self.next()).to_string(),
            4..=6 => quoted(self.pick(TEXTS)),
            _ => self.context(),
        }
    }

    fn context(&mut self) -> String {
        let name = self.pick(CONTEXTS);
        if self.chance(10) { name.to_uppercase() } else { name.to_owned() }
    }

    fn access(&mut self, inner: usize) -> String {
        let mut text = match self.below(6) {
            0 => format!("({})", self.expression(inner)),
            1 => self.call(inner),
            _ => self.context(),
        };
        for _ in 0..=self.below(3) {
            let subscript = match self.below(8) {
                0 | 1 => ".*".to_owned(),
                2 => format!("[{}*{}]", self.space(), self.space()),
                3 => format!(".{}", self.pick(&["a", "b", "key", "x-1", "_u", "true", "null", "NaN"])),
                4 => format!("[{}]", quoted(self.pick(KEYS))),
                5 => format!("[{}]", self.pick(NUMBERS)),
                6 => format!("[{}]", self.expression(inner)),
                _ => format!(".{}{}", self.space(), self.pick(&["a", "KEY", "ss"])),
            };
            text.push_str(&subscript);
        }
        text
    }

    fn call(&mut self, inner: usize) -> String {
        let name = self.pick(&[
            "contains",
            "startsWith",
            "endsWith",
            "format",
            "format",
            "join",
            "toJSON",
            "fromJSON",
            "fromJSON",
            "case",
            "success",
            "failure",
            "always",
            "CANCELLED",
            "TOJSON",
            "StartsWith",
        ]);
        let mut arguments = match name {
            "contains" | "startsWith" | "endsWith" | "StartsWith" => self.arguments(inner, 2),
            "toJSON" | "TOJSON" => self.arguments(inner, 1),
            "format" => {
                let more = self.below(3);
                let template = self.template();
                [vec![template], self.arguments(inner, more)].concat()
            }
            "join" => {
                let count = 1 + self.below(2);
                self.arguments(inner, count)
            }
            "fromJSON" => match self.below(3) {
                0 => vec![quoted(self.pick(JSONS))],
                1 => vec![quoted(&self.json(3).to_string())],
                _ => vec![format!("toJSON({})", self.expression(inner))],
            },
            "case" => vec![
                self.pick(&["true", "false", "1 == 1", "success()", "1"]).to_owned(),
                self.expression(inner),
                self.expression(inner),
            ],
            _ => Vec::new(),
        };
        if self.chance(2) {
            arguments.push(self.leaf());
        }
        let separator = format!("{},{}", self.space(), self.space());
        format!("{name}{}({})", self.pick(&["", "", " "]), arguments.join(&separator))
    }

    fn arguments(&mut self, inner: usize, count: usize) -> Vec<String> {
        (0..count).map(|_| self.expression(inner)).collect()
    }

    fn template(&mut self) -> String {
        let parts = self.below(5);
        let choices = &["{0}", "{1}", "{00}", "{{", "}}", "{2}", "x", "ü", "😊", " ", "{", "}", "{-1}", "{٠}"];
        // Those at the end are wrong, and make the whole wrong.
        let sound = if self.chance(90) { 10 } else { choices.len() };
        quoted(&(0..parts).map(|_| self.pick(&choices[..sound])).collect::<String>())
    }

    fn broken(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(2) {
            let at = self.below(characters.len() + 1);
            match self.below(4) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 => characters.truncate(at),
                2 if at + 1 < characters.len() => characters.swap(at, at + 1),
                _ => {
                    let piece: Vec<char> = self.pick(PIECES).chars().collect();
                    characters.splice(at..at, piece);
                }
            }
        }
        characters.into_iter().collect()
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
