//! Of which type a plain scalar is: YAML 1.2's core schema, as GitHub's runner reads workflows.
//!
//! GitHub: `YamlObjectReader.cs` in `actions/runner`. The YAML library differs from it: to the library `0755` is a text,
//! `0b11` and `-0x1f` are numbers.

use serde_yaml::{Number, Value};

/// The value of a plain scalar without a tag.
pub(super) fn value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

/// Whether it is a whole number that fits neither `i64` nor `u64`: GitHub would round it to a double.
pub(super) fn is_large(text: &str) -> bool {
    whole(text).is_some_and(|number| number.is_none())
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY.into()),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY.into()),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN.into()),
        _ => {}
    }
    match whole(text) {
        Some(number) => number,
        None if is_decimal(unsigned) => text.parse::<f64>().ok().map(Number::from),
        None => None,
    }
}

/// A whole number. The outer option: it is none; the inner: it is too large.
fn whole(text: &str) -> Option<Option<Number>> {
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let digits = text.strip_prefix(prefix).filter(|digits| !digits.is_empty());
        if let Some(digits) = digits.filter(|digits| digits.chars().all(|digit| digit.is_digit(radix))) {
            return Some(u64::from_str_radix(digits, radix).ok().map(Number::from));
        }
    }
    if !is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)) {
        return None;
    }
    let positive = text.parse::<u64>().map(Number::from);
    Some(positive.or_else(|_| text.parse::<i64>().map(Number::from)).ok())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(before, after)| (before, Some(after)));
    let exponent_fits =
        exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_or_nothing = |text: &str| text.is_empty() || is_digits(text);
    exponent_fits
        && digits_or_nothing(whole)
        && digits_or_nothing(fraction)
        && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_and_null_have_three_spellings_and_no_more() {
        for text in ["true", "True", "TRUE"] {
            assert_eq!(value(text), Value::Bool(true));
        }
        for text in ["false", "False", "FALSE"] {
            assert_eq!(value(text), Value::Bool(false));
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(value(text), Value::Null);
        }
        for text in ["on", "off", "yes", "no", "y", "n", "On", "tRUE", "nULL", "nil"] {
            assert_eq!(value(text), Value::String(text.to_owned()));
        }
    }

    #[test]
    fn whole_numbers_are_decimal_whatever_they_begin_with_and_hex_and_octal_have_no_sign() {
        let whole = [
            ("0", 0),
            ("-0", 0),
            ("12", 12),
            ("+12", 12),
            ("-12", -12),
            ("007", 7),
            ("0755", 755),
            ("-010", -10),
            ("0x1F", 31),
            ("0o14", 12),
            ("9007199254740993", 9_007_199_254_740_993),
        ];
        for (text, number) in whole {
            assert_eq!(value(text), Value::Number(i64::into(number)), "{text}");
        }
        for text in ["0b11", "-0x1F", "+0o7", "0o8", "0xg", "1_000", "0X1F", "1,5", "--1", "+", "-"] {
            assert_eq!(value(text), Value::String(text.to_owned()));
        }
        for text in ["18446744073709551616", "-9223372036854775809", "0x10000000000000000"] {
            assert!(is_large(text), "{text}");
        }
        for text in ["18446744073709551615", "-9223372036854775808", "1e40", "0x", "text", ""] {
            assert!(!is_large(text), "{text}");
        }
    }

    #[test]
    fn numbers_with_a_fraction_lose_what_is_only_spelling() {
        for (text, number) in
            [("3.10", 3.1), (".5", 0.5), ("5.", 5.0), ("-1.5e3", -1500.0), ("1e3", 1e3), ("+.5E-1", 0.05)]
        {
            assert_eq!(value(text), Value::Number(number.into()), "{text}");
        }
        assert_eq!(value("-.Inf"), Value::Number(f64::NEG_INFINITY.into()));
        assert_eq!(value(".NaN"), Value::Number(f64::NAN.into()));
        for text in
            ["2026-11-22", "12:30", "1.2.3", ".", "e5", "1e", ".e1", "inf", "nan", "-.nan", "infinity", "1.5.", "٣"]
        {
            assert_eq!(value(text), Value::String(text.to_owned()));
        }
    }
}
