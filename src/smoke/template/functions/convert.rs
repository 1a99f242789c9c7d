//! Defaults, JSON and types: Sprig's `defaults.go` and `reflect.go`.

use super::super::format;
use super::super::value::{Value, same};
use super::{Answer, Call, Function, function, string_of, text, text_at, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("default", 1, |_, arguments| {
        Ok(arguments.get(1).filter(|given| given.is_true()).unwrap_or(&arguments[0]).clone())
    }),
    function("empty", 1, 1, |_, arguments| Ok(Value::Bool(!arguments[0].is_true()))),
    variadic("coalesce", 0, |_, arguments| {
        Ok(arguments.iter().find(|value| value.is_true()).cloned().unwrap_or(Value::Nil))
    }),
    variadic("all", 0, |_, arguments| Ok(Value::Bool(arguments.iter().all(Value::is_true)))),
    variadic("any", 0, |_, arguments| Ok(Value::Bool(arguments.iter().any(Value::is_true)))),
    function("ternary", 3, 3, |_, arguments| match &arguments[2] {
        Value::Bool(test) => Ok(arguments[usize::from(!*test)].clone()),
        other => Err(super::wrong(2, "bool", other)),
    }),
    function("fail", 1, 1, |_, arguments| Err(text_at(arguments, 0)?.into())),
    function("toString", 1, 1, |_, arguments| text(&string_of(&arguments[0])?)),
    function("toJson", 1, 1, |_, arguments| text(&format::json(&arguments[0], false, true)?)),
    function("mustToJson", 1, 1, |_, arguments| text(&format::json(&arguments[0], false, true)?)),
    function("toRawJson", 1, 1, |_, arguments| text(&format::json(&arguments[0], false, false)?)),
    function("toPrettyJson", 1, 1, |_, arguments| text(&format::json(&arguments[0], true, true)?)),
    function("fromJson", 1, 1, |_, arguments| {
        Ok(serde_json::from_str(text_at(arguments, 0)?).map_or(Value::Nil, |json| Value::from_json(&json)))
    }),
    function("mustFromJson", 1, 1, |_, arguments| {
        let json = serde_json::from_str(text_at(arguments, 0)?).map_err(|error| format!("invalid JSON: {error}"))?;
        Ok(Value::from_json(&json))
    }),
    function("kindOf", 1, 1, |_, arguments| text(arguments[0].kind_name())),
    function("kindIs", 2, 2, |_, arguments| Ok(Value::Bool(arguments[1].kind_name() == text_at(arguments, 0)?))),
    function("typeOf", 1, 1, |_, arguments| text(arguments[0].type_name())),
    function("typeIs", 2, 2, |_, arguments| Ok(Value::Bool(arguments[1].type_name() == text_at(arguments, 0)?))),
    function("typeIsLike", 2, 2, |_, arguments| {
        let name = arguments[1].type_name();
        Ok(Value::Bool(name.trim_start_matches('*') == text_at(arguments, 0)?.trim_start_matches('*')))
    }),
    function("deepEqual", 2, 2, deep_equal),
];

fn deep_equal(_: &Call, arguments: &[Value]) -> Answer {
    let equal = same(&arguments[0], &arguments[1]).ok_or("the values are too large to be compared")?;
    Ok(Value::Bool(equal))
}
