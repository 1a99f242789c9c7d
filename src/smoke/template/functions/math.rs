//! Numbers: Sprig's `numeric.go`, which takes anything for a number and what is none for zero.

use super::super::lexer;
use super::super::limits::{LONGEST_LIST, Text};
use super::super::value::Value;
use super::{Answer, Call, Fault, Function, function, int_at, list_of, text, variadic};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("add", 0, |_, arguments| fold(arguments, 0, i64::wrapping_add)),
    function("add1", 1, 1, |_, arguments| Ok(Value::Int(to_int(&arguments[0]).wrapping_add(1)))),
    function("sub", 2, 2, |_, arguments| two(arguments, |left, right| Some(left.wrapping_sub(right)))),
    function("div", 2, 2, |_, arguments| two(arguments, |left, right| left.checked_div(right))),
    function("mod", 2, 2, |_, arguments| two(arguments, |left, right| left.checked_rem(right))),
    variadic("mul", 1, |_, arguments| fold(arguments, 1, i64::wrapping_mul)),
    variadic("max", 1, |_, arguments| fold(&arguments[1..], to_int(&arguments[0]), i64::max)),
    variadic("min", 1, |_, arguments| fold(&arguments[1..], to_int(&arguments[0]), i64::min)),
    variadic("addf", 0, |_, arguments| float_fold(arguments, 0.0, |left, right| left + right)),
    variadic("subf", 1, |_, arguments| {
        float_fold(&arguments[1..], to_float(&arguments[0]), |left, right| left - right)
    }),
    variadic("mulf", 1, |_, arguments| float_fold(arguments, 1.0, |left, right| left * right)),
    variadic("divf", 1, |_, arguments| {
        float_fold(&arguments[1..], to_float(&arguments[0]), |left, right| left / right)
    }),
    variadic("maxf", 1, |_, arguments| float_fold(&arguments[1..], to_float(&arguments[0]), f64::max)),
    variadic("minf", 1, |_, arguments| float_fold(&arguments[1..], to_float(&arguments[0]), f64::min)),
    function("ceil", 1, 1, |_, arguments| Ok(Value::Float(to_float(&arguments[0]).ceil()))),
    function("floor", 1, 1, |_, arguments| Ok(Value::Float(to_float(&arguments[0]).floor()))),
    function("round", 2, 3, round),
    function("int", 1, 1, |_, arguments| Ok(Value::Int(to_int(&arguments[0])))),
    function("int64", 1, 1, |_, arguments| Ok(Value::Int(to_int(&arguments[0])))),
    function("float64", 1, 1, |_, arguments| Ok(Value::Float(to_float(&arguments[0])))),
    function("atoi", 1, 1, |_, arguments| Ok(Value::Int(super::text_at(arguments, 0)?.parse().unwrap_or_default()))),
    function("toDecimal", 1, 1, |_, arguments| {
        Ok(Value::Int(i64::from_str_radix(&super::string_of(&arguments[0])?, 8).unwrap_or_default()))
    }),
    function("until", 1, 1, |_, arguments| {
        let stop = int_at(arguments, 0)?;
        list_of(steps(0, stop, if stop < 0 { -1 } else { 1 })?.into_iter().map(Value::Int).collect())
    }),
    function("untilStep", 3, 3, |_, arguments| {
        let (start, stop, step) = (int_at(arguments, 0)?, int_at(arguments, 1)?, int_at(arguments, 2)?);
        list_of(steps(start, stop, step)?.into_iter().map(Value::Int).collect())
    }),
    variadic("seq", 0, seq),
];

/// Rounds towards zero, and to the nearest number that there is.
pub(super) fn truncate(float: f64) -> i64 {
    float as i64
}

fn widen(int: i64) -> f64 {
    int as f64
}

/// What Sprig's `toInt64` makes of anything.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        Value::Float(float) => truncate(*float),
        Value::Bool(bool) => i64::from(*bool),
        Value::Text(text) => match lexer::number(text.trim()) {
            Some(Value::Int(int)) => int,
            _ => 0,
        },
        _ => 0,
    }
}

/// What Sprig's `toFloat64` makes of anything.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Float(float) => *float,
        Value::Text(text) => text.trim().parse().unwrap_or_default(),
        other => widen(to_int(other)),
    }
}

fn fold(arguments: &[Value], first: i64, with: fn(i64, i64) -> i64) -> Answer {
    Ok(Value::Int(arguments.iter().map(to_int).fold(first, with)))
}

fn float_fold(arguments: &[Value], first: f64, with: fn(f64, f64) -> f64) -> Answer {
    Ok(Value::Float(arguments.iter().map(to_float).fold(first, with)))
}

fn two(arguments: &[Value], with: fn(i64, i64) -> Option<i64>) -> Answer {
    let result = with(to_int(&arguments[0]), to_int(&arguments[1]));
    result.map(Value::Int).ok_or_else(|| "runtime error: integer divide by zero".into())
}

/// To a number of places, up from a fraction that is by default a half.
fn round(_: &Call, arguments: &[Value]) -> Answer {
    let value = to_float(&arguments[0]);
    let places = int_at(arguments, 1)?.clamp(-300, 300);
    let up_from = arguments.get(2).map_or(0.5, to_float);
    let power = 10_f64.powi(i32::try_from(places).unwrap_or_default());
    let digits = power * value;
    let fraction = digits.abs() - digits.abs().floor();
    let whole = if fraction >= up_from { digits.abs().floor() + 1.0 } else { digits.abs().floor() };
    Ok(Value::Float(whole.copysign(value) / power))
}

/// From `start` towards `stop`, without it.
fn steps(start: i64, stop: i64, step: i64) -> Result<Vec<i64>, Fault> {
    let mut numbers = Vec::new();
    if step == 0 {
        return Ok(numbers);
    }
    let mut next = start;
    while if step > 0 { next < stop } else { next > stop } {
        if numbers.len() == LONGEST_LIST {
            return Err(super::too_long());
        }
        numbers.push(next);
        let Some(after) = next.checked_add(step) else { break };
        next = after;
    }
    Ok(numbers)
}

/// `seq` of the shell: a text of numbers, the last included.
fn seq(_: &Call, arguments: &[Value]) -> Answer {
    let numbers = (0..arguments.len()).map(|index| int_at(arguments, index)).collect::<Result<Vec<_>, _>>()?;
    let (start, step, end) = match numbers.as_slice() {
        [end] => (1, if *end < 1 { -1 } else { 1 }, *end),
        [start, end] => (*start, if end < start { -1 } else { 1 }, *end),
        [start, step, end] => (*start, *step, *end),
        _ => return text(""),
    };
    let stop = end.saturating_add(step.signum());
    let mut joined = Text::default();
    for (index, number) in steps(start, stop, step)?.iter().enumerate() {
        joined.push(if index > 0 { " " } else { "" })?;
        joined.push(&number.to_string())?;
    }
    text(&joined.into_string())
}
