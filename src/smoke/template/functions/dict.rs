//! Maps: Sprig's `dict.go`. As there, `set`, `unset`, `merge` and `mergeOverwrite` change their first map. Keys are
//! listed
//! in their order, where Sprig's order is that of chance.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::limits::{DEEPEST_VALUE, LONGEST_LIST};
use super::super::value::{Holds, Map, Value};
use super::{Answer, Call, Fault, Function, function, list_of, map_at, string_of, text_at, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("dict", 0, dict),
    function("get", 2, 2, |_, arguments| {
        let found = map_at(arguments, 0)?.entries.borrow().get(text_at(arguments, 1)?).cloned();
        Ok(found.unwrap_or_else(|| Value::text("")))
    }),
    function("set", 3, 3, set),
    function("unset", 2, 2, |_, arguments| {
        changeable(arguments, 0)?.entries.borrow_mut().remove(text_at(arguments, 1)?);
        Ok(arguments[0].clone())
    }),
    function("hasKey", 2, 2, |_, arguments| {
        Ok(Value::Bool(map_at(arguments, 0)?.entries.borrow().contains_key(text_at(arguments, 1)?)))
    }),
    variadic("pluck", 1, pluck),
    variadic("keys", 0, |_, arguments| {
        let mut keys = Vec::new();
        for index in 0..arguments.len() {
            keys.extend(map_at(arguments, index)?.entries.borrow().keys().map(|key| Value::text(key)));
        }
        list_of(keys)
    }),
    function("values", 1, 1, |_, arguments| {
        list_of(map_at(arguments, 0)?.entries.borrow().values().cloned().collect())
    }),
    variadic("pick", 1, |_, arguments| filtered(arguments, true)),
    variadic("omit", 1, |_, arguments| filtered(arguments, false)),
    variadic("merge", 1, |call, arguments| merged(call, arguments, false)),
    variadic("mergeOverwrite", 1, |call, arguments| merged(call, arguments, true)),
    variadic("dig", 3, dig),
    function("deepCopy", 1, 1, |call, arguments| copy(call, &arguments[0], 0)),
];

/// Keys and values in turn; a last key without one gets `""`.
fn dict(_: &Call, arguments: &[Value]) -> Answer {
    let mut entries = BTreeMap::new();
    for pair in arguments.chunks(2) {
        entries.insert(string_of(&pair[0])?, pair.get(1).cloned().unwrap_or_else(|| Value::text("")));
    }
    Ok(Value::map(Holds::Anything, entries))
}

/// A map that a function may change: the template's data itself isn't.
fn changeable(arguments: &[Value], index: usize) -> Result<&Rc<Map>, Fault> {
    let map = map_at(arguments, index)?;
    if map.holds == Holds::Root { Err("the data of the template cannot be changed".into()) } else { Ok(map) }
}

fn set(_: &Call, arguments: &[Value]) -> Answer {
    let map = changeable(arguments, 0)?;
    let mut entries = map.entries.borrow_mut();
    if entries.len() >= LONGEST_LIST {
        return Err(super::too_long());
    }
    let replaced = entries.insert(text_at(arguments, 1)?.to_owned(), arguments[2].clone());
    drop(entries);
    // What was there may be the last that holds this very map's parts: dropped when the map is no longer borrowed.
    drop(replaced);
    Ok(arguments[0].clone())
}

fn pluck(_: &Call, arguments: &[Value]) -> Answer {
    let key = text_at(arguments, 0)?;
    let mut found = Vec::new();
    for index in 1..arguments.len() {
        found.extend(map_at(arguments, index)?.entries.borrow().get(key).cloned());
    }
    list_of(found)
}

/// The entries whose keys are among the arguments, or are not.
fn filtered(arguments: &[Value], wanted: bool) -> Answer {
    let map = map_at(arguments, 0)?;
    let names = (1..arguments.len()).map(|index| text_at(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    let entries = map.entries.borrow();
    let kept = entries.iter().filter(|(key, _)| names.contains(&key.as_str()) == wanted);
    Ok(Value::map(Holds::Anything, kept.map(|(key, value)| (key.clone(), value.clone())).collect()))
}

fn merged(call: &Call, arguments: &[Value], overwrites: bool) -> Answer {
    for index in 1..arguments.len() {
        merge_into(call, changeable(arguments, 0)?, map_at(arguments, index)?, overwrites, 0)?;
    }
    Ok(arguments[0].clone())
}

/// Adds what is missing or empty, deep; with `overwrites`, all that is not empty.
fn merge_into(call: &Call, into: &Rc<Map>, from: &Rc<Map>, overwrites: bool, depth: usize) -> Result<(), Fault> {
    if depth > DEEPEST_VALUE {
        return Err(too_deep());
    }
    if Rc::ptr_eq(into, from) {
        return Ok(());
    }
    let from: Vec<(String, Value)> = from.entries.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    call.budget.spend(from.len())?;
    for (key, value) in from {
        let old = into.entries.borrow().get(&key).cloned();
        match (&old, &value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge_into(call, old, new, overwrites, depth + 1)?,
            (Some(old), new) if old.is_true() && !(overwrites && new.is_true()) => {}
            _ => {
                // A copy: to change the merged map later must not change what it was merged from.
                let value = copy(call, &value, depth)?;
                into.entries.borrow_mut().insert(key, value);
            }
        }
    }
    Ok(())
}

fn copy(call: &Call, value: &Value, depth: usize) -> Answer {
    if depth > DEEPEST_VALUE {
        return Err(too_deep());
    }
    call.budget.spend(1)?;
    match value {
        Value::List(list) => {
            let items = list.0.iter().map(|item| copy(call, item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
            Ok(Value::list(items))
        }
        Value::Map(map) => {
            let entries = map.entries.borrow();
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), copy(call, value, depth + 1)?)));
            Ok(Value::map(map.holds, entries.collect::<Result<BTreeMap<_, _>, Fault>>()?))
        }
        other => Ok(other.clone()),
    }
}

fn too_deep() -> Fault {
    format!("the value nests deeper than {DEEPEST_VALUE} levels").into()
}

/// `dig "a" "b" DEFAULT map`.
fn dig(_: &Call, arguments: &[Value]) -> Answer {
    let last = arguments.len() - 1;
    let mut value = Value::Map(Rc::clone(map_at(arguments, last)?));
    for index in 0..last - 1 {
        let key = text_at(arguments, index)?;
        let Value::Map(map) = &value else {
            return Err(format!("dig: the value before {key:?} is a {}, and no map", value.kind_name()).into());
        };
        let Some(found) = map.entries.borrow().get(key).cloned() else { return Ok(arguments[last - 1].clone()) };
        value = found;
    }
    Ok(value)
}
