//! The functions of XPath 1.0 (4), but `id` and `lang`.

use super::Value;
use super::ast::{Expr, Type};
use super::evaluate::{Context, Evaluator};

/// A function's name, and what it takes and gives.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    least: usize,
    most: usize,
    pub(super) takes_nodes: bool,
    pub(super) comes_to: Type,
}

impl Function {
    pub(super) fn takes(&self, count: usize) -> bool {
        (self.least..=self.most).contains(&count)
    }

    /// What is wrong when it is given another number of arguments.
    pub(super) fn arity(&self) -> String {
        let Self { name, least, most, .. } = self;
        let count = match (*least, *most) {
            (least, most) if least == most => least.to_string(),
            (least, usize::MAX) => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        format!("`{name}` takes {count} argument{}", if count == "1" { "" } else { "s" })
    }
}

const fn function(name: &'static str, least: usize, most: usize, takes_nodes: bool, comes_to: Type) -> Function {
    Function { name, least, most, takes_nodes, comes_to }
}

static FUNCTIONS: &[Function] = &[
    function("boolean", 1, 1, false, Type::Truth),
    function("ceiling", 1, 1, false, Type::Number),
    function("concat", 2, usize::MAX, false, Type::Text),
    function("contains", 2, 2, false, Type::Truth),
    function("count", 1, 1, true, Type::Number),
    function("false", 0, 0, false, Type::Truth),
    function("floor", 1, 1, false, Type::Number),
    function("last", 0, 0, false, Type::Number),
    function("local-name", 0, 1, true, Type::Text),
    function("name", 0, 1, true, Type::Text),
    function("namespace-uri", 0, 1, true, Type::Text),
    function("normalize-space", 0, 1, false, Type::Text),
    function("not", 1, 1, false, Type::Truth),
    function("number", 0, 1, false, Type::Number),
    function("position", 0, 0, false, Type::Number),
    function("round", 1, 1, false, Type::Number),
    function("starts-with", 2, 2, false, Type::Truth),
    function("string", 0, 1, false, Type::Text),
    function("string-length", 0, 1, false, Type::Number),
    function("substring", 2, 3, false, Type::Text),
    function("substring-after", 2, 2, false, Type::Text),
    function("substring-before", 2, 2, false, Type::Text),
    function("sum", 1, 1, true, Type::Number),
    function("translate", 3, 3, false, Type::Text),
    function("true", 0, 0, false, Type::Truth),
];

pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub(super) fn call<'a>(
    evaluator: &Evaluator<'a>,
    name: &str,
    arguments: &[Expr],
    context: Context<'a>,
) -> Result<Value<'a>, String> {
    let mut values = Vec::new();
    for argument in arguments {
        values.push(evaluator.value(argument, context)?);
    }
    if values.is_empty() {
        // Most of those that may be given nothing take the node that they are at.
        values.push(Value::Nodes(vec![context.item]));
    }
    Call { evaluator, context, values }.result(name)
}

struct Call<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    context: Context<'a>,
    values: Vec<Value<'a>>,
}

impl<'a> Call<'_, 'a> {
    fn result(mut self, name: &str) -> Result<Value<'a>, String> {
        Ok(match name {
            "true" => Value::Truth(true),
            "false" => Value::Truth(false),
            "position" => Value::Number(self.context.position as f64),
            "last" => Value::Number(self.context.size as f64),
            "count" => Value::Number(self.nodes().len() as f64),
            "sum" => {
                let mut sum = 0.0;
                for item in self.nodes() {
                    sum += self.evaluator.number(&Value::Nodes(vec![item]))?;
                }
                Value::Number(sum)
            }
            "local-name" => Value::Text(self.nodes().first().map_or("", |item| item.local_name()).to_owned()),
            "name" => Value::Text(self.nodes().first().map_or("", |item| item.name()).to_owned()),
            "namespace-uri" => Value::Text(self.nodes().first().map_or("", |item| item.namespace()).to_owned()),
            "boolean" => Value::Truth(self.truth()),
            "not" => Value::Truth(!self.truth()),
            "contains" => Value::Truth(self.text(0)?.contains(&self.text(1)?)),
            "starts-with" => Value::Truth(self.text(0)?.starts_with(&self.text(1)?)),
            "number" => Value::Number(self.number(0)?),
            "floor" => Value::Number(self.number(0)?.floor()),
            "ceiling" => Value::Number(self.number(0)?.ceil()),
            "round" => Value::Number(round(self.number(0)?)),
            "string-length" => Value::Number(self.text(0)?.chars().count() as f64),
            _ => Value::Text(self.made_text(name)?),
        })
    }

    fn made_text(&self, name: &str) -> Result<String, String> {
        let first = self.text(0)?;
        Ok(match name {
            "concat" => {
                let mut text = first;
                for index in 1..self.values.len() {
                    text.push_str(&self.text(index)?);
                }
                text
            }
            "substring-before" => first.split_once(&self.text(1)?).map_or("", |(before, _)| before).to_owned(),
            "substring-after" => first.split_once(&self.text(1)?).map_or("", |(_, after)| after).to_owned(),
            "substring" => {
                let start = round(self.number(1)?);
                let end = if self.values.len() > 2 { start + round(self.number(2)?) } else { f64::INFINITY };
                let is_inside = |place: usize| place as f64 >= start && (place as f64) < end;
                first.chars().enumerate().filter(|(index, _)| is_inside(index + 1)).map(|(_, char)| char).collect()
            }
            "normalize-space" => {
                let words = first.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
                words.collect::<Vec<_>>().join(" ")
            }
            "translate" => {
                let (from, to) = (self.text(1)?, self.text(2)?);
                self.evaluator.spend(first.len().saturating_mul(from.len()) / 64)?;
                let to: Vec<char> = to.chars().collect();
                let translated = |char| match from.chars().position(|one| one == char) {
                    Some(index) => to.get(index).copied(),
                    None => Some(char),
                };
                first.chars().filter_map(translated).collect()
            }
            _ => first,
        })
    }

    fn nodes(&mut self) -> Vec<super::nodes::Item<'a>> {
        self.values.pop().map(|value| self.evaluator.nodes(value)).unwrap_or_default()
    }

    fn truth(&self) -> bool {
        self.values.first().is_some_and(|value| self.evaluator.truth(value))
    }

    fn text(&self, index: usize) -> Result<String, String> {
        self.values.get(index).map_or(Ok(String::new()), |value| self.evaluator.text(value))
    }

    fn number(&self, index: usize) -> Result<f64, String> {
        self.values.get(index).map_or(Ok(f64::NAN), |value| self.evaluator.number(value))
    }
}

/// To the nearest whole number, of two the greater one.
fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}
