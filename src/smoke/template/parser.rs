//! Tokens to a tree.
//!
//! As in Go, a function or variable that isn't there is found here, before anything is rendered.

use std::collections::BTreeMap;

use super::ast::{Branch, Command, Node, Operand, Pipe, Span, Term};
use super::functions;
use super::lexer::{Broken, Kind, Token, broken, lex};
use super::value::Value;

/// How deep blocks and parentheses may nest: far deeper than a person writes, and shallower than the stack.
const DEEPEST: usize = 60;

/// How many variables may be in scope: each use of one looks among them.
const MOST_VARIABLES: usize = 1000;

/// The templates of a source by name; the source itself is the one without.
pub(super) type Templates = BTreeMap<String, Vec<Node>>;

/// Reads a template.
pub(super) fn parse(source: &str, name: &str) -> Result<Templates, Broken> {
    let tokens = lex(source)?;
    let mut parser = Parser {
        source,
        tokens,
        next: 0,
        variables: vec!["$".to_owned()],
        loops: 0,
        depth: 0,
        templates: Templates::new(),
    };
    let (body, end) = parser.list(true)?;
    if let Some(end) = end {
        return broken(end.at, format!("unexpected {{{{{}}}}}", end.word));
    }
    parser.templates.insert(name.to_owned(), body);
    Ok(parser.templates)
}

/// What ended a list: `end` or `else`.
struct Ending {
    at: usize,
    word: &'static str,
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    next: usize,
    /// Those in scope.
    variables: Vec<String>,
    loops: usize,
    depth: usize,
    templates: Templates,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Result<Token, Broken> {
        let Some(token) = self.tokens.get(self.next).cloned() else {
            return broken(self.source.len(), "unexpected EOF");
        };
        self.next += 1;
        Ok(token)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(Token { kind: Kind::Space, .. })) {
            self.next += 1;
        }
    }

    fn take_solid(&mut self) -> Result<Token, Broken> {
        self.skip_space();
        self.take()
    }

    fn unexpected<T>(&self, token: &Token, context: &str) -> Result<T, Broken> {
        let text = self.source.get(token.at..token.end).unwrap_or_default();
        broken(token.at, format!("unexpected {} in {context}", quoted(text)))
    }

    fn deeper(&mut self, at: usize) -> Result<(), Broken> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return broken(at, format!("nested deeper than {DEEPEST} levels"));
        }
        Ok(())
    }

    /// Nodes up to `end`, `else` or the end of the source.
    fn list(&mut self, top: bool) -> Result<(Vec<Node>, Option<Ending>), Broken> {
        let mut nodes = Vec::new();
        while self.peek().is_some() {
            let token = self.take()?;
            if let Kind::Text(text) = token.kind {
                nodes.push(Node::Text { at: token.at, text });
                continue;
            }
            self.skip_space();
            let word = match self.peek() {
                Some(Token { kind: Kind::Word(word), .. }) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" | "else" => {
                    let at = self.take()?.at;
                    let word = if word == "end" { "end" } else { "else" };
                    if word == "end" {
                        self.close("end")?;
                    }
                    return Ok((nodes, Some(Ending { at, word })));
                }
                "define" if top => self.define()?,
                "define" => return broken(token.at, "unexpected {{define}}"),
                _ => nodes.push(self.node(&word)?),
            }
        }
        Ok((nodes, None))
    }

    fn close(&mut self, context: &str) -> Result<(), Broken> {
        let token = self.take_solid()?;
        if matches!(token.kind, Kind::Close) { Ok(()) } else { self.unexpected(&token, context) }
    }

    /// One action, whose opening marker is read.
    fn node(&mut self, word: &str) -> Result<Node, Broken> {
        match word {
            "if" => Ok(Node::If(self.branch("if")?)),
            "with" => Ok(Node::With(self.branch("with")?)),
            "range" => Ok(Node::Range(self.branch("range")?)),
            "template" => self.template(),
            "block" => self.block(),
            "break" | "continue" => {
                let at = self.take()?.at;
                if self.loops == 0 {
                    return broken(at, format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                self.close(word)?;
                Ok(if word == "break" { Node::Break } else { Node::Continue })
            }
            _ => Ok(Node::Action(self.pipe("command", false)?)),
        }
    }

    /// `if`, `with` or `range` and all that belongs to it.
    fn branch(&mut self, word: &'static str) -> Result<Branch, Broken> {
        let at = self.take()?.at;
        self.deeper(at)?;
        let scope = self.variables.len();
        let pipe = self.pipe(word, false)?;
        self.loops += usize::from(word == "range");
        let (body, ending) = self.list(false)?;
        self.loops -= usize::from(word == "range");
        let otherwise = match ending {
            Some(Ending { word: "else", .. }) => self.otherwise(word)?,
            Some(_) => Vec::new(),
            None => return broken(at, format!("unexpected EOF: {{{{{word}}}}} has no {{{{end}}}}")),
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    /// What follows `else`: `if`/`with` again, which shares the `end`, or a list.
    fn otherwise(&mut self, word: &'static str) -> Result<Vec<Node>, Broken> {
        self.skip_space();
        if let Some(Token { kind: Kind::Word(next), .. }) = self.peek()
            && next == word
            && word != "range"
        {
            let branch = self.branch(word)?;
            return Ok(vec![if word == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        let at = self.peek().map_or(self.source.len(), |token| token.at);
        self.close("else")?;
        match self.list(false)? {
            (nodes, Some(Ending { word: "end", .. })) => Ok(nodes),
            (_, Some(ending)) => broken(ending.at, format!("expected end; found {{{{{}}}}}", ending.word)),
            (_, None) => broken(at, "unexpected EOF: {{else}} has no {{end}}"),
        }
    }

    /// `define "name"`, which is no node.
    fn define(&mut self) -> Result<(), Broken> {
        let at = self.take()?.at;
        let name = self.template_name("define clause")?;
        self.close("define clause")?;
        self.body(at, name, "define")
    }

    /// The list of a named template, which sees no variable of its surroundings.
    fn body(&mut self, at: usize, name: String, word: &str) -> Result<(), Broken> {
        self.deeper(at)?;
        let outer = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, ending) = self.list(false)?;
        if !matches!(ending, Some(Ending { word: "end", .. })) {
            return broken(at, format!("unexpected EOF: {{{{{word} {name:?}}}}} has no {{{{end}}}}"));
        }
        self.variables = outer;
        self.loops = loops;
        self.depth -= 1;
        self.templates.insert(name, nodes);
        Ok(())
    }

    fn template_name(&mut self, context: &str) -> Result<String, Broken> {
        let token = self.take_solid()?;
        match &token.kind {
            Kind::Literal(Value::Text(name)) => Ok(name.to_string()),
            _ => self.unexpected(&token, context),
        }
    }

    fn template(&mut self) -> Result<Node, Broken> {
        let at = self.take()?.at;
        let name = self.template_name("template clause")?;
        self.skip_space();
        if matches!(self.peek(), Some(Token { kind: Kind::Close, .. })) {
            self.next += 1;
            return Ok(Node::Template { at, name, pipe: None });
        }
        let pipe = Some(self.pipe("template clause", false)?);
        Ok(Node::Template { at, name, pipe })
    }

    /// A template that is defined and used in one place.
    fn block(&mut self) -> Result<Node, Broken> {
        let at = self.take()?.at;
        let name = self.template_name("block clause")?;
        let pipe = Some(self.pipe("block clause", false)?);
        self.body(at, name.clone(), "block")?;
        Ok(Node::Template { at, name, pipe })
    }

    /// A pipeline with its end: the closing marker, or a right parenthesis.
    fn pipe(&mut self, context: &str, in_parens: bool) -> Result<Pipe, Broken> {
        self.skip_space();
        let from = self.peek().map_or(self.source.len(), |token| token.at);
        self.deeper(from)?;
        let (variables, declares) = self.declarations(context)?;
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let (command, token) = self.command(context)?;
            let is_end = match token.kind {
                Kind::Close => !in_parens,
                Kind::RightParen => in_parens,
                Kind::Pipe => false,
                _ => return self.unexpected(&token, context),
            };
            match command {
                Some(command) => commands.push(command),
                None if commands.is_empty() => return broken(token.at, format!("missing value for {context}")),
                None => return broken(token.at, "missing value for command"),
            }
            if is_end {
                check_stages(&commands)?;
                self.depth -= 1;
                if declares {
                    self.variables.extend(variables.iter().cloned());
                    if self.variables.len() > MOST_VARIABLES {
                        return broken(from, format!("more than {MOST_VARIABLES} variables"));
                    }
                }
                let span = Span { from, to: token.at, at: from };
                return Ok(Pipe { span, variables, declares, commands });
            }
        }
    }

    /// `$x :=`, `$x =`, and `$key, $value :=` of a `range`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), Broken> {
        let start = self.next;
        let mut variables = Vec::new();
        while let Some(Token { kind: Kind::Variable(name), .. }) = self.peek() {
            variables.push(name.clone());
            self.next += 1;
            self.skip_space();
            let Some(token) = self.peek().cloned() else { break };
            match token.kind {
                Kind::Declare | Kind::Assign => {
                    self.next += 1;
                    self.skip_space();
                    let declares = matches!(token.kind, Kind::Declare);
                    if let Some(name) = variables.iter().find(|name| !declares && !self.variables.contains(name)) {
                        return broken(token.at, format!("undefined variable {}", quoted(name)));
                    }
                    return Ok((variables, declares));
                }
                Kind::Comma if context == "range" && variables.len() < 2 => {
                    self.next += 1;
                    self.skip_space();
                }
                Kind::Comma => return broken(token.at, format!("too many declarations in {context}")),
                _ => break,
            }
        }
        self.next = start;
        Ok((Vec::new(), false))
    }

    /// Operands up to `|` or the end of the pipeline, and what ended them.
    fn command(&mut self, context: &str) -> Result<(Option<Command>, Token), Broken> {
        let mut words: Vec<Operand> = Vec::new();
        loop {
            let token = self.take_solid()?;
            if matches!(token.kind, Kind::Close | Kind::RightParen | Kind::Pipe) {
                let span = words.first().zip(words.last()).map(|(first, last)| Span {
                    from: first.span.from,
                    to: last.span.to,
                    at: first.span.from,
                });
                return Ok((span.map(|span| Command { span, words }), token));
            }
            words.push(self.operand(token, context)?);
            if !matches!(
                self.peek().map(|token| &token.kind),
                None | Some(Kind::Space | Kind::Close | Kind::RightParen | Kind::Pipe)
            ) {
                let token = self.take()?;
                return self.unexpected(&token, "operand");
            }
        }
    }

    fn operand(&mut self, token: Token, context: &str) -> Result<Operand, Broken> {
        let (from, mut to, mut at) = (token.at, token.end, token.at);
        let mut fields = Vec::new();
        let term = match token.kind {
            Kind::Dot => Term::Dot,
            Kind::Field(name) => {
                fields.push(name);
                Term::Dot
            }
            Kind::Variable(name) if self.variables.contains(&name) => Term::Variable(name),
            Kind::Variable(name) => return broken(token.at, format!("undefined variable {}", quoted(&name))),
            Kind::Literal(value) => Term::Literal(value),
            Kind::Word(name) if name == "nil" => Term::Nil,
            Kind::Word(name) if functions::find(&name).is_some() => Term::Function(name),
            Kind::Word(name) => return broken(token.at, functions::unknown(&name)),
            Kind::LeftParen => {
                let pipe = self.pipe("parenthesized pipeline", true)?;
                to = pipe.span.to + 1;
                Term::Pipe(Box::new(pipe))
            }
            _ => return self.unexpected(&token, context),
        };
        while let Some(Token { kind: Kind::Field(name), at: start, end }) = self.peek() {
            if matches!(term, Term::Literal(_) | Term::Nil) {
                return broken(*start, format!("unexpected . after term {}", quoted(&self.source[from..to])));
            }
            // Go places `.a.b` at `.b`, and a chain after anything else at its first field.
            if matches!(term, Term::Dot) && fields.len() == 1 || !matches!(term, Term::Dot) && fields.is_empty() {
                at = *start;
            }
            fields.push(name.clone());
            to = *end;
            self.next += 1;
        }
        Ok(Operand { span: Span { from, to, at }, term, fields })
    }
}

/// After the first, a command must be able to take the value before it.
fn check_stages(commands: &[Command]) -> Result<(), Broken> {
    for (index, command) in commands.iter().enumerate().skip(1) {
        if let Some(Operand { term: Term::Dot | Term::Nil | Term::Literal(_), fields, .. }) = command.words.first()
            && fields.is_empty()
        {
            return broken(command.span.at, format!("non executable command in pipeline stage {}", index + 1));
        }
    }
    Ok(())
}

/// A short text as Go's `%q` writes it.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}
