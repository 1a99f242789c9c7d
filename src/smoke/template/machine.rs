//! Runs a parsed template.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Branch, Command, Node, Operand, Pipe, Span, Term};
use super::functions::{self, Fault};
use super::limits::{Budget, DEEPEST, LARGEST_TEXT};
use super::parser::Templates;
use super::value::{Holds, Value};
use super::{Data, Host, Rendered, TemplateError, format};

/// Renders the template that is named as the file.
pub(super) fn run(
    file: &str,
    source: &str,
    templates: &Templates,
    data: &Data,
    host: &dyn Host,
) -> Result<Rendered, TemplateError> {
    let env = data.env.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
    let root = BTreeMap::from([
        ("Vars".to_owned(), Value::map(Holds::Anything, data.vars.clone())),
        ("Env".to_owned(), Value::map(Holds::Text, env)),
    ]);
    let root = Value::map(Holds::Root, root);
    let budget = Budget::new();
    let mut machine = Machine {
        file,
        source,
        templates,
        call: functions::Call { budget: &budget, env: &data.env, host },
        template: file,
        variables: vec![("$".to_owned(), root.clone())],
        depth: 0,
        starts: source.match_indices('\n').map(|(newline, _)| newline + 1).collect(),
        output: Output { text: String::new(), lines: vec![1], is_blank: true },
    };
    let body = templates.get(file).map_or(&[][..], Vec::as_slice);
    machine.list(body, &root).map_err(|stop| stop.into_error(file))?;
    let Output { text, lines, .. } = machine.output;
    Ok(Rendered { file: file.to_owned(), text, lines })
}

/// Why the next node is not run.
enum Stop {
    Break,
    Continue,
    Failed(Box<TemplateError>),
}

impl Stop {
    /// The parser lets `break` and `continue` stand only where a loop takes them.
    fn into_error(self, file: &str) -> TemplateError {
        match self {
            Self::Failed(error) => *error,
            Self::Break | Self::Continue => {
                TemplateError { file: file.to_owned(), line: 1, column: None, message: "unexpected {{break}}".into() }
            }
        }
    }
}

/// What is written, and which line of the source wrote it.
struct Output {
    text: String,
    lines: Vec<u32>,
    /// Whether the last line has nothing but blanks yet.
    is_blank: bool,
}

impl Output {
    /// Writes text whose first line stands on `line` of the source; `advances` where its newlines are the source's own.
    fn push(&mut self, text: &str, mut line: u32, advances: bool) {
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                self.text.push('\n');
                line += u32::from(advances);
                self.lines.push(line);
                self.is_blank = true;
            }
            if self.is_blank && !part.trim().is_empty() {
                self.is_blank = false;
                if let Some(last) = self.lines.last_mut() {
                    *last = line;
                }
            }
            self.text.push_str(part);
        }
    }
}

struct Machine<'a> {
    file: &'a str,
    source: &'a str,
    templates: &'a Templates,
    call: functions::Call<'a>,
    /// The name of the running template.
    template: &'a str,
    variables: Vec<(String, Value)>,
    depth: usize,
    /// Where the lines of the source begin, but for the first.
    starts: Vec<usize>,
    output: Output,
}

impl<'a> Machine<'a> {
    fn fail<T>(&self, span: Span, message: &str) -> Result<T, Stop> {
        let context = self.source.get(span.from..span.to).unwrap_or_default().trim();
        self.fail_at(span.at, &format!("executing {:?} at <{context}>: {message}", self.template))
    }

    fn fail_at<T>(&self, at: usize, message: &str) -> Result<T, Stop> {
        let before = &self.source.as_bytes()[..at.min(self.source.len())];
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        Err(Stop::Failed(Box::new(TemplateError {
            file: self.file.to_owned(),
            line: self.line(at),
            column: u32::try_from(at - start).ok(),
            message: message.to_owned(),
        })))
    }

    /// The line, from 1, of a byte of the source.
    fn line(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at) + 1).unwrap_or(u32::MAX)
    }

    fn spend(&self, span: Span, steps: usize) -> Result<(), Stop> {
        self.call.budget.spend(steps).or_else(|message| self.fail(span, &message))
    }

    fn list(&mut self, nodes: &'a [Node], dot: &Value) -> Result<(), Stop> {
        nodes.iter().try_for_each(|node| self.node(node, dot))
    }

    fn node(&mut self, node: &'a Node, dot: &Value) -> Result<(), Stop> {
        match node {
            Node::Text { at, text } => self.write(*at, text, true),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if !pipe.variables.is_empty() {
                    return Ok(());
                }
                let text = match value {
                    Value::Nil => "<no value>".to_owned(),
                    value => format::plain(&value).or_else(|message| self.fail(pipe.span, &message))?,
                };
                self.write(pipe.span.at, &text, false)
            }
            Node::If(branch) => self.choose(branch, dot, false),
            Node::With(branch) => self.choose(branch, dot, true),
            Node::Range(branch) => self.range(branch, dot),
            Node::Template { at, name, pipe } => self.template(*at, name, pipe.as_ref(), dot),
            Node::Break => Err(Stop::Break),
            Node::Continue => Err(Stop::Continue),
        }
    }

    fn write(&mut self, at: usize, text: &str, advances: bool) -> Result<(), Stop> {
        if self.output.text.len() + text.len() > LARGEST_TEXT {
            return self.fail_at(at, &format!("the output is longer than {LARGEST_TEXT} bytes"));
        }
        self.call.budget.spend(1 + text.len() / 64).or_else(|message| self.fail_at(at, &message))?;
        self.output.push(text, self.line(at), advances);
        Ok(())
    }

    fn enter(&mut self, at: usize) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail_at(at, &format!("templates and blocks nest deeper than {DEEPEST} levels"));
        }
        Ok(())
    }

    /// `if` and `with`.
    fn choose(&mut self, branch: &'a Branch, dot: &Value, moves: bool) -> Result<(), Stop> {
        self.enter(branch.pipe.span.at)?;
        let scope = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        if value.is_true() {
            self.list(&branch.body, if moves { &value } else { dot })?;
        } else {
            self.list(&branch.otherwise, dot)?;
        }
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(())
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<(), Stop> {
        let span = branch.pipe.span;
        self.enter(span.at)?;
        let scope = self.variables.len();
        let depth = self.depth;
        let over = self.commands(&branch.pipe, dot)?;
        if branch.pipe.declares {
            self.variables.extend(branch.pipe.variables.iter().map(|name| (name.clone(), Value::Nil)));
        }
        let mut is_empty = true;
        for (key, element) in self.elements(&over, span)? {
            is_empty = false;
            self.spend(span, 1)?;
            self.assign_elements(&branch.pipe, key, &element);
            let inner = self.variables.len();
            let ran = self.list(&branch.body, &element);
            self.variables.truncate(inner);
            self.depth = depth;
            match ran {
                Err(Stop::Break) => break,
                Ok(()) | Err(Stop::Continue) => {}
                failed => return failed,
            }
        }
        self.variables.truncate(scope);
        if is_empty {
            self.list(&branch.otherwise, dot)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Keys and elements of what a `range` goes over.
    fn elements(&self, over: &Value, span: Span) -> Result<Box<dyn Iterator<Item = (Value, Value)>>, Stop> {
        match over {
            Value::Nil => Ok(Box::new(std::iter::empty())),
            Value::List(list) => {
                let list = Rc::clone(list);
                Ok(Box::new(
                    (0..list.0.len()).map(move |index| {
                        (Value::Int(i64::try_from(index).unwrap_or(i64::MAX)), list.0[index].clone())
                    }),
                ))
            }
            Value::Map(map) if map.holds != Holds::Root => {
                // As Go does, over the entries that are there now: the body may change the map.
                let entries: Vec<(String, Value)> = map.entries.borrow().clone().into_iter().collect();
                self.spend(span, entries.len())?;
                Ok(Box::new(entries.into_iter().map(|(key, value)| (Value::text(&key), value))))
            }
            Value::Int(count) => Ok(Box::new((0..*count).map(|index| (Value::Int(index), Value::Int(index))))),
            other => {
                let text = format::plain(other).unwrap_or_default();
                let text: String = text.chars().take(80).collect();
                self.fail(span, &format!("range can't iterate over {text}"))
            }
        }
    }

    /// One variable gets the element; of two, the first gets the key.
    fn assign_elements(&mut self, pipe: &Pipe, key: Value, element: &Value) {
        match pipe.variables.as_slice() {
            [one] => self.assign(one, element.clone()),
            [first, second] => {
                self.assign(first, key);
                self.assign(second, element.clone());
            }
            _ => {}
        }
    }

    /// Changes the innermost variable of a name.
    fn assign(&mut self, name: &str, value: Value) {
        if let Some((_, old)) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            *old = value;
        }
    }

    fn template(&mut self, at: usize, name: &'a str, pipe: Option<&'a Pipe>, dot: &Value) -> Result<(), Stop> {
        let Some(nodes) = self.templates.get(name) else {
            return self.fail_at(
                at,
                &format!("executing {:?} at <{{{{template {name:?}}}}}>: template {name:?} not defined", self.template),
            );
        };
        self.enter(at)?;
        let dot = pipe.map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
        let variables = std::mem::replace(&mut self.variables, vec![("$".to_owned(), dot.clone())]);
        let outer = std::mem::replace(&mut self.template, name);
        self.list(nodes, &dot)?;
        self.template = outer;
        self.variables = variables;
        self.depth -= 1;
        Ok(())
    }

    /// The value of a pipeline, which its variables get too.
    fn pipe(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value, Stop> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            if pipe.declares {
                self.variables.push((name.clone(), value.clone()));
            } else {
                self.assign(name, value.clone());
            }
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'a Pipe, dot: &Value) -> Result<Value, Stop> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &'a Command, dot: &Value, last: Option<Value>) -> Result<Value, Stop> {
        self.spend(command.span, 1)?;
        let Some((first, arguments)) = command.words.split_first() else { return Ok(Value::Nil) };
        if let Term::Function(name) = &first.term {
            let value = self.function(name, command.span, arguments, dot, last)?;
            return self.fields(first, value);
        }
        if matches!(first.term, Term::Nil) {
            return self.fail(first.span, "nil is not a command");
        }
        let value = self.operand(first, dot)?;
        if !arguments.is_empty() || last.is_some() {
            let text = self.source.get(first.span.from..first.span.to).unwrap_or_default();
            let what = if first.fields.is_empty() {
                format!("can't give argument to non-function {text}")
            } else {
                let name = first.fields.last().map_or("", String::as_str);
                format!("{name} has arguments but cannot be invoked as function")
            };
            return self.fail(first.span, &what);
        }
        Ok(value)
    }

    fn operand(&mut self, operand: &'a Operand, dot: &Value) -> Result<Value, Stop> {
        let value = match &operand.term {
            Term::Dot => dot.clone(),
            Term::Nil => Value::Nil,
            Term::Literal(value) => value.clone(),
            Term::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found.map_or(Value::Nil, |(_, value)| value.clone())
            }
            Term::Function(name) => self.function(name, operand.span, &[], dot, None)?,
            Term::Pipe(pipe) => self.pipe(pipe, dot)?,
        };
        self.fields(operand, value)
    }

    /// Follows `.a.b` from a value.
    fn fields(&self, operand: &Operand, mut value: Value) -> Result<Value, Stop> {
        for (index, name) in operand.fields.iter().enumerate() {
            value = match &value {
                Value::Map(map) => match map.entries.borrow().get(name) {
                    Some(found) => found.clone(),
                    None if map.holds == Holds::Root => {
                        let message = format!("can't evaluate field {name} in type {}", value.type_name());
                        return self.fail(operand.span, &message);
                    }
                    None => return self.fail(operand.span, &format!("map has no entry for key {name:?}")),
                },
                Value::Nil if index == 0 && matches!(operand.term, Term::Dot) => {
                    return self.fail(operand.span, &format!("nil data; no entry for key {name:?}"));
                }
                Value::Nil => {
                    return self.fail(operand.span, &format!("nil pointer evaluating interface {{}}.{name}"));
                }
                _ => {
                    return self.fail(operand.span, &format!("can't evaluate field {name} in type interface {{}}"));
                }
            };
        }
        Ok(value)
    }

    fn function(
        &mut self,
        name: &str,
        span: Span,
        words: &'a [Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Stop> {
        let Some(function) = functions::find(name) else { return self.fail(span, &functions::unknown(name)) };
        let count = words.len() + usize::from(last.is_some());
        if let Some(message) = function.wrong_count(count) {
            return self.fail(span, &message);
        }
        if let Some(stops_at) = function.short_circuit {
            return self.short_circuit(words, dot, last, stops_at);
        }
        let mut arguments = Vec::with_capacity(count);
        for word in words {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last);
        let size: usize = arguments.iter().map(Value::size).sum();
        self.spend(span, 1 + size)?;
        let result = match (function.run)(&self.call, &arguments) {
            Ok(value) => value,
            Err(Fault::Argument(index, message)) => {
                return self.fail(words.get(index).map_or(span, |word| word.span), &message);
            }
            Err(Fault::Call(message)) => {
                return self.fail(span, &format!("error calling {name}: {message}"));
            }
        };
        self.spend(span, result.size())?;
        Ok(result)
    }

    /// `and` and `or`, which look at no more arguments than they need.
    fn short_circuit(
        &mut self,
        words: &'a [Operand],
        dot: &Value,
        last: Option<Value>,
        stops_at: bool,
    ) -> Result<Value, Stop> {
        let mut value = Value::Nil;
        for word in words {
            value = self.operand(word, dot)?;
            if value.is_true() == stops_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }
}
