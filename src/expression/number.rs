//! Numbers as JavaScript reads and writes them, which is what GitHub's language follows.

/// The value of a text, by the rules of JavaScript's `Number()`; NaN for what is not a number.
pub(super) fn from_text(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    let digits = |prefixes: [&str; 2]| prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    if text.is_empty() {
        0.0
    } else if let Some(digits) = digits(["0x", "0X"]) {
        from_digits(digits, 4)
    } else if let Some(digits) = digits(["0o", "0O"]) {
        from_digits(digits, 3)
    } else if let Some(digits) = digits(["0b", "0B"]) {
        from_digits(digits, 1)
    } else {
        match text {
            "Infinity" | "+Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            // Rust would also take `inf` and `nan`, in any case.
            _ if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) => {
                text.parse().unwrap_or(f64::NAN)
            }
            _ => f64::NAN,
        }
    }
}

/// White space as JavaScript has it: Unicode's, with the byte order mark and without the control character for a next line.
fn is_space(c: char) -> bool {
    c == '\u{feff}' || c != '\u{85}' && c.is_whitespace()
}

/// The number that digits of a power-of-two base stand for, rounded once, to nearest.
fn from_digits(digits: &str, bits: u32) -> f64 {
    let (mut mantissa, mut exponent) = (0_u128, 0_i32);
    for digit in digits.chars() {
        let Some(digit) = digit.to_digit(1 << bits) else { return f64::NAN };
        if mantissa >> 100 == 0 {
            mantissa = mantissa << bits | u128::from(digit);
        } else {
            // Too long for the mantissa: what falls off only decides how a tie is rounded.
            exponent = exponent.saturating_add(bits.cast_signed());
            mantissa |= u128::from(digit != 0);
        }
    }
    if digits.is_empty() { f64::NAN } else { mantissa as f64 * 2_f64.powi(exponent) }
}

/// A number as expressions show it: at most 15 decimals, `0` for negative zero.
pub(super) fn to_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    // Beyond this JavaScript's `toFixed` does not round either.
    if number.abs() < 1e21 {
        to_exact_text(format!("{:.15}", off_the_half(number)).parse().unwrap_or(number))
    } else {
        to_exact_text(number)
    }
}

/// The number, or the next one away from zero where it is halfway between two of 15 decimals: JavaScript rounds such a
/// half away from zero, Rust to even. Halves are the odd multiples of 2⁻¹⁶, since 10¹⁵ has 15 factors of two.
fn off_the_half(number: f64) -> f64 {
    let sixteenth = number * 65_536.0;
    let is_half = sixteenth.fract() == 0.0 && sixteenth % 2.0 != 0.0;
    match (is_half, number > 0.0) {
        (false, _) => number,
        (true, true) => number.next_up(),
        (true, false) => number.next_down(),
    }
}

/// A number as JavaScript's `toString` writes it: the fewest digits that read back as the same number.
pub(super) fn to_exact_text(number: f64) -> String {
    if number == 0.0 {
        "0".to_owned()
    } else if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if number.abs() >= 1e21 {
        format!("{number:e}").replace('e', "e+")
    } else if number.abs() < 1e-6 {
        format!("{number:e}")
    } else {
        format!("{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_javascript_reads_them() {
        for (text, expected) in [
            ("", 0.0),
            (" \t12.50\n", 12.5),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1", 1.0),
            ("-1e-1", -0.1),
            ("0x1F", 31.0),
            ("0X1f", 31.0),
            ("0o17", 15.0),
            ("0b101", 5.0),
            ("0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 2_f64.powi(144)),
            ("-Infinity", f64::NEG_INFINITY),
            ("\u{feff}\u{a0}1\u{2028}", 1.0),
        ] {
            assert_eq!(from_text(text), expected, "{text:?}");
        }
        for text in [
            "abc", "1a", "0x", "0xg", "-0x1", "0o8", "inf", "nan", "infinity", "1_000", "1e", ".", "-", "1 2",
            "\u{85}1",
        ] {
            assert!(from_text(text).is_nan(), "{text:?} is {}", from_text(text));
        }
    }

    #[test]
    fn numbers_are_written_as_the_npm_package_writes_them() {
        for (number, expected) in [
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.845_512_408_225_570_1, "0.84551240822557"),
            (0.1 + 0.2, "0.3"),
            (1e15, "1000000000000000"),
            (1.0 / 65_536.0, "0.000015258789063"),
            (-3.0 / 65_536.0, "-0.000045776367188"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-7, "1e-7"),
            (1e-20, "0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(to_text(number), expected);
        }
        assert_eq!(to_exact_text(0.1 + 0.2), "0.30000000000000004");
    }
}
