//! Expressions from tokens (XPath 1.0, 3).

use super::Wrong;
use super::ast::{Axis, Expr, Operator, Start, Step, Test, Type};
use super::functions::{self, Function};
use super::lexer::{Placed, Token, tokens};

/// The longest expression, in characters.
const LONGEST: usize = 4096;

/// The most expressions within each other.
const DEEPEST: usize = 40;

/// Operators, loosest first; those of one list bind alike.
const LEVELS: &[&[Operator]] = &[
    &[Operator::Or],
    &[Operator::And],
    &[Operator::Equal, Operator::NotEqual],
    &[Operator::Less, Operator::LessOrEqual, Operator::Greater, Operator::GreaterOrEqual],
    &[Operator::Plus, Operator::Minus],
    &[Operator::Times, Operator::Divided, Operator::Modulo],
];

/// The most operators that follow each other on one level: their trees lean to the left, and are walked by recursion.
const MOST_OPERATORS: usize = 100;

pub(super) fn parse(text: &str) -> Result<Expr, Wrong> {
    if text.chars().count() > LONGEST {
        return Err(Wrong { at: LONGEST, message: format!("it is longer than {LONGEST} characters") });
    }
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, end };
    let expr = parser.expression()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.wrong("the expression ends here, and more follows")),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    depth: usize,
    /// Behind the last character.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn after(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1).map(|(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn wrong(&self, message: impl Into<String>) -> Wrong {
        Wrong { at: self.at(), message: message.into() }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(next)) if *next == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_there = self.is_sign(sign);
        self.next += usize::from(is_there);
        is_there
    }

    fn need(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.wrong(format!("`{sign}` is missing"))) }
    }

    fn expression(&mut self) -> Result<Expr, Wrong> {
        if self.depth == DEEPEST {
            return Err(self.wrong(format!("expressions nest deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let expr = self.level(LEVELS);
        self.depth -= 1;
        expr
    }

    fn level(&mut self, levels: &[&[Operator]]) -> Result<Expr, Wrong> {
        let Some((operators, tighter)) = levels.split_first() else { return self.negation() };
        let mut expr = self.level(tighter)?;
        let mut count = 0;
        while let Some(Token::Operator(operator)) = self.peek()
            && operators.contains(operator)
        {
            let operator = *operator;
            count += 1;
            if count > MOST_OPERATORS {
                return Err(self.wrong(format!("more than {MOST_OPERATORS} operators follow each other")));
            }
            self.next += 1;
            expr = Expr::Binary(operator, Box::new(expr), Box::new(self.level(tighter)?));
        }
        Ok(expr)
    }

    fn negation(&mut self) -> Result<Expr, Wrong> {
        let mut is_number = false;
        let mut is_negated = false;
        while self.peek() == Some(&Token::Operator(Operator::Minus)) {
            self.next += 1;
            (is_number, is_negated) = (true, !is_negated);
        }
        let expr = self.union()?;
        Ok(match (is_number, is_negated) {
            (false, _) => expr,
            (true, true) => Expr::Negated(Box::new(expr)),
            // Twice is none, but a number it is.
            (true, false) => Expr::Negated(Box::new(Expr::Negated(Box::new(expr)))),
        })
    }

    fn union(&mut self) -> Result<Expr, Wrong> {
        let at = self.at();
        let mut expr = self.path()?;
        let mut count = 0;
        while self.peek() == Some(&Token::Operator(Operator::Union)) {
            count += 1;
            if count > MOST_OPERATORS {
                return Err(self.wrong(format!("more than {MOST_OPERATORS} operators follow each other")));
            }
            nodes(&expr, at)?;
            self.next += 1;
            let right_at = self.at();
            let right = self.path()?;
            nodes(&right, right_at)?;
            expr = Expr::Binary(Operator::Union, Box::new(expr), Box::new(right));
        }
        Ok(expr)
    }

    fn path(&mut self) -> Result<Expr, Wrong> {
        if self.take_sign("/") {
            let steps = if self.begins_step() { self.steps(Vec::new())? } else { Vec::new() };
            return Ok(Expr::Path(Start::Root, steps));
        }
        if self.take_sign("//") {
            return Ok(Expr::Path(Start::Root, self.steps(vec![Step::anywhere()])?));
        }
        if !self.begins_primary() {
            return Ok(Expr::Path(Start::Context, self.steps(Vec::new())?));
        }
        let at = self.at();
        let primary = self.primary()?;
        let predicates = self.predicates()?;
        let anywhere = self.is_sign("//");
        let goes_on = anywhere || self.is_sign("/");
        if !goes_on && predicates.is_empty() {
            return Ok(primary);
        }
        nodes(&primary, at)?;
        let start = Start::Of(Box::new(primary), predicates);
        if !goes_on {
            return Ok(Expr::Path(start, Vec::new()));
        }
        self.next += 1;
        let before = if anywhere { vec![Step::anywhere()] } else { Vec::new() };
        Ok(Expr::Path(start, self.steps(before)?))
    }

    fn begins_primary(&self) -> bool {
        match self.peek() {
            Some(Token::Number(_) | Token::Literal(_) | Token::Sign("(" | "$")) => true,
            Some(Token::Name(name)) => self.after() == Some(&Token::Sign("(")) && !is_node_type(name),
            _ => false,
        }
    }

    fn begins_step(&self) -> bool {
        matches!(self.peek(), Some(Token::Name(_) | Token::Star | Token::Sign("." | ".." | "@")))
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let token = self.peek().cloned();
        let at = self.at();
        match token {
            Some(Token::Number(number)) => {
                self.next += 1;
                Ok(Expr::Number(number))
            }
            Some(Token::Literal(text)) => {
                self.next += 1;
                Ok(Expr::Literal(text))
            }
            Some(Token::Name(name)) => {
                self.next += 2;
                self.call(&name, at)
            }
            Some(Token::Sign("$")) => Err(self.wrong("there are no variables")),
            _ => {
                self.next += 1;
                let expr = self.expression()?;
                self.need(")")?;
                Ok(expr)
            }
        }
    }

    /// Behind the `(`.
    fn call(&mut self, name: &str, at: usize) -> Result<Expr, Wrong> {
        let wrong = |message| Wrong { at, message };
        let function = functions::named(name).ok_or_else(|| wrong(format!("there is no function `{name}`")))?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            if !arguments.is_empty() && !self.take_sign(",") {
                return Err(self.wrong("`,` or `)` is missing"));
            }
            let at = self.at();
            let argument = self.expression()?;
            if function.takes_nodes {
                nodes(&argument, at)?;
            }
            arguments.push(argument);
        }
        self.next += 1;
        if !function.takes(arguments.len()) {
            return Err(wrong(Function::arity(function)));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, Wrong> {
        let mut predicates = Vec::new();
        while self.take_sign("[") {
            predicates.push(self.expression()?);
            self.need("]")?;
        }
        Ok(predicates)
    }

    fn steps(&mut self, mut steps: Vec<Step>) -> Result<Vec<Step>, Wrong> {
        loop {
            steps.push(self.step()?);
            if self.take_sign("//") {
                steps.push(Step::anywhere());
            } else if !self.take_sign("/") {
                return Ok(steps);
            }
        }
    }

    fn step(&mut self) -> Result<Step, Wrong> {
        for (sign, axis) in [(".", Axis::Own), ("..", Axis::Parent)] {
            if self.take_sign(sign) {
                return Ok(Step { axis, test: Test::Node, predicates: self.predicates()? });
            }
        }
        let axis = self.axis()?;
        let test = self.test()?;
        Ok(Step { axis, test, predicates: self.predicates()? })
    }

    fn axis(&mut self) -> Result<Axis, Wrong> {
        if self.take_sign("@") {
            return Ok(Axis::Attribute);
        }
        match self.peek() {
            Some(Token::Name(name)) if self.after() == Some(&Token::Sign("::")) => {
                let axis = Axis::named(name).ok_or_else(|| self.wrong(format!("there is no axis `{name}`")))?;
                self.next += 2;
                Ok(axis)
            }
            _ => Ok(Axis::Child),
        }
    }

    fn test(&mut self) -> Result<Test, Wrong> {
        let test = match self.peek().cloned() {
            Some(Token::Star) => Test::Every,
            Some(Token::Name(name)) if self.after() == Some(&Token::Sign("(")) => return self.node_type(&name),
            Some(Token::Name(name)) => match name.strip_suffix(":*") {
                Some(prefix) => Test::Prefix(prefix.to_owned()),
                None if name.ends_with(':') => return Err(self.wrong("no name follows the prefix")),
                None => Test::Name(name),
            },
            Some(_) => return Err(self.wrong("a step of a path is missing")),
            None => return Err(self.wrong("the expression ends too early")),
        };
        self.next += 1;
        Ok(test)
    }

    fn node_type(&mut self, name: &str) -> Result<Test, Wrong> {
        let mut test = match name {
            "node" => Test::Node,
            "text" => Test::Text,
            "comment" => Test::Comment,
            "processing-instruction" => Test::Instruction(None),
            _ => return Err(self.wrong(format!("there is no type of nodes `{name}`"))),
        };
        self.next += 2;
        if let (Test::Instruction(target), Some(Token::Literal(text))) = (&mut test, self.peek()) {
            *target = Some(text.clone());
            self.next += 1;
        }
        self.need(")")?;
        Ok(test)
    }
}

fn is_node_type(name: &str) -> bool {
    ["node", "text", "comment", "processing-instruction"].contains(&name)
}

fn nodes(expr: &Expr, at: usize) -> Result<(), Wrong> {
    match expr.comes_to() {
        Type::Nodes => Ok(()),
        _ => Err(Wrong { at, message: "nodes are needed here, and this is a value".to_owned() }),
    }
}
