//! Lists: Sprig's `list.go`. None of these changes its argument.

use super::super::value::{Value, same};
use super::{Answer, Call, Fault, Function, function, int_at, list_at, list_of, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("list", 0, |_, arguments| list_of(arguments.to_vec())),
    variadic("tuple", 0, |_, arguments| list_of(arguments.to_vec())),
    function("first", 1, 1, |_, arguments| {
        Ok(list_at("find first", arguments, 0)?.first().cloned().unwrap_or(Value::Nil))
    }),
    function("last", 1, 1, |_, arguments| {
        Ok(list_at("find last", arguments, 0)?.last().cloned().unwrap_or(Value::Nil))
    }),
    function("rest", 1, 1, |_, arguments| {
        list_of(list_at("find rest", arguments, 0)?.split_first().map_or(Vec::new(), |(_, rest)| rest.to_vec()))
    }),
    function("initial", 1, 1, |_, arguments| {
        list_of(list_at("find initial", arguments, 0)?.split_last().map_or(Vec::new(), |(_, rest)| rest.to_vec()))
    }),
    function("append", 2, 2, append),
    function("push", 2, 2, append),
    function("prepend", 2, 2, |_, arguments| {
        let list = list_at("prepend", arguments, 0)?;
        list_of(arguments[1..].iter().chain(list).cloned().collect())
    }),
    variadic("concat", 0, |_, arguments| {
        let mut all = Vec::new();
        for index in 0..arguments.len() {
            all.extend_from_slice(list_at("concat", arguments, index)?);
        }
        list_of(all)
    }),
    function("reverse", 1, 1, |_, arguments| {
        list_of(list_at("find reverse", arguments, 0)?.iter().rev().cloned().collect())
    }),
    function("uniq", 1, 1, uniq),
    variadic("without", 1, without),
    function("has", 2, 2, has),
    function("compact", 1, 1, |_, arguments| {
        list_of(list_at("compact", arguments, 0)?.iter().filter(|item| item.is_true()).cloned().collect())
    }),
    variadic("slice", 1, slice),
    function("chunk", 2, 2, chunk),
];

fn append(_: &Call, arguments: &[Value]) -> Answer {
    let list = list_at("push", arguments, 0)?;
    list_of(list.iter().chain(&arguments[1..]).cloned().collect())
}

/// Whether a list has an element; looking is work.
fn includes(call: &Call, list: &[Value], wanted: &Value) -> Result<bool, Fault> {
    call.budget.spend(list.len())?;
    for item in list {
        if same(item, wanted).ok_or("the values are too large to be compared")? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &Call, arguments: &[Value]) -> Answer {
    let mut kept: Vec<Value> = Vec::new();
    for item in list_at("find uniq", arguments, 0)? {
        if !includes(call, &kept, item)? {
            kept.push(item.clone());
        }
    }
    list_of(kept)
}

fn without(call: &Call, arguments: &[Value]) -> Answer {
    let mut kept = Vec::new();
    for item in list_at("find without", arguments, 0)? {
        if !includes(call, &arguments[1..], item)? {
            kept.push(item.clone());
        }
    }
    list_of(kept)
}

fn has(call: &Call, arguments: &[Value]) -> Answer {
    if matches!(arguments[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    Ok(Value::Bool(includes(call, list_at("find has", arguments, 1)?, &arguments[0])?))
}

/// `slice list from to`: Sprig's, which has the name of Go's and wins.
fn slice(_: &Call, arguments: &[Value]) -> Answer {
    let Value::List(list) = &arguments[0] else {
        return Err(format!("list should be type of slice or array but {}", arguments[0].kind_name()).into());
    };
    if list.0.is_empty() {
        return Ok(Value::Nil);
    }
    let bound = |index: usize, otherwise: usize| -> Result<usize, Fault> {
        if arguments.len() <= index {
            return Ok(otherwise);
        }
        let bound = usize::try_from(int_at(arguments, index)?).ok().filter(|bound| *bound <= list.0.len());
        bound.ok_or_else(|| format!("slice index out of range, the list has {} elements", list.0.len()).into())
    };
    let (from, to) = (bound(1, 0)?, bound(2, list.0.len())?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    list_of(list.0[from..to].to_vec())
}

fn chunk(_: &Call, arguments: &[Value]) -> Answer {
    let size = usize::try_from(int_at(arguments, 0)?).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Fault::from("the size of a chunk must be at least 1"))?;
    list_of(list_at("chunk", arguments, 1)?.chunks(size).map(|part| Value::list(part.to_vec())).collect())
}
