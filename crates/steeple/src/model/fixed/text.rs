//! Units to text and back, for a scale known at run time.

use super::FixedError;

/// The units of `text`: `12.5` at scale 2 is 1250. Zeros beyond the scale are taken, other digits are not.
pub(in crate::model) fn parse(text: &str, scale: u32) -> Result<i64, FixedError> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !numeric(whole) || !numeric(fraction) {
        return Err(FixedError::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > scale as usize {
        return Err(FixedError::TooPrecise { scale });
    }
    let padding = scale as usize - fraction.len();
    let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding));
    let mut units: i64 = 0;
    for digit in digits {
        let digit = i64::from(digit - b'0');
        units = units
            .checked_mul(10)
            // Towards the sign, because the smallest number has no positive counterpart.
            .and_then(|units| if negative { units.checked_sub(digit) } else { units.checked_add(digit) })
            .ok_or(FixedError::OutOfRange { scale })?;
    }
    Ok(units)
}

/// The number of so many units, with at least `digits` behind the point (as far as the scale goes).
pub(in crate::model) fn show(units: i64, scale: u32, digits: u32) -> String {
    let shown = Shown::new(units, scale, digits);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{}", shown.as_str())
}

/// A number without its sign, written from its last digit to its first; nothing is allocated.
pub(in crate::model) struct Shown {
    text: [u8; Self::LONGEST],
    from: usize,
}

impl Shown {
    /// Nineteen digits of an `i64`, or eighteen behind a zero, and the point.
    const LONGEST: usize = 24;

    pub fn new(units: i64, scale: u32, digits: u32) -> Self {
        let mut shown = Self { text: [b'0'; Self::LONGEST], from: Self::LONGEST };
        let mut left = units.unsigned_abs();
        for place in (1..=scale).rev() {
            let digit = (left % 10) as u8;
            left /= 10;
            // Zeros at the end are left out, but for those that are asked for.
            if shown.from == Self::LONGEST && digit == 0 && place > digits {
                continue;
            }
            shown.put(b'0' + digit);
        }
        if shown.from < Self::LONGEST {
            shown.put(b'.');
        }
        loop {
            shown.put(b'0' + (left % 10) as u8);
            left /= 10;
            if left == 0 {
                return shown;
            }
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[self.from..]).expect("only ASCII is written")
    }

    fn put(&mut self, byte: u8) {
        self.from -= 1;
        self.text[self.from] = byte;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::model::Fixed;

    proptest! {
        #[test]
        fn text_and_back(units: i64, scale in 0_u32..=18, digits in 0_u32..20) {
            prop_assert_eq!(parse(&show(units, scale, digits), scale), Ok(units));
        }

        #[test]
        fn decimal_and_back(units: i64) {
            let fixed = Fixed::<8>::from_units(units);
            let decimal = Decimal::from(fixed);
            prop_assert_eq!(Fixed::<8>::try_from(decimal), Ok(fixed));
            prop_assert_eq!(decimal.normalize().to_string(), fixed.to_string());
        }

        #[test]
        fn json_and_back(units: i64) {
            let fixed = Fixed::<18>::from_units(units);
            let json = serde_json::to_string(&fixed).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fixed<18>>(&json).unwrap(), fixed);
        }

        #[test]
        fn sums_are_exact(a in -1_i64 << 60..1 << 60, b in -1_i64 << 60..1 << 60) {
            let [a, b] = [a, b].map(Fixed::<8>::from_units);
            let sum = a.checked_add(b).unwrap();
            prop_assert_eq!(Decimal::from(a) + Decimal::from(b), Decimal::from(sum));
            prop_assert_eq!(sum.checked_sub(b), Some(a));
            prop_assert_eq!(a < b, Decimal::from(a) < Decimal::from(b));
        }

        #[test]
        fn any_text_is_taken_or_refused(text in ".*", scale in 0_u32..=18) {
            parse(&text, scale).ok();
        }
    }

    #[test]
    fn what_is_taken() {
        for (text, units) in
            [("1", 100), ("1.", 100), (".5", 50), ("+0.05", 5), ("-0.5", -50), ("-0", 0), ("1.2300", 123), (" 7 ", 700)]
        {
            assert_eq!(parse(text, 2), Ok(units), "{text}");
        }
        assert_eq!(parse("-92233720368547758.08", 2), Ok(i64::MIN));
    }

    #[test]
    fn what_is_refused() {
        for text in ["", ".", "-", "+-1", "1e3", "1,000", "1 000", "0x1", "NaN", "1.2.3", "١"] {
            assert_eq!(parse(text, 2), Err(FixedError::NotANumber), "{text}");
        }
        assert_eq!(parse("0.001", 2), Err(FixedError::TooPrecise { scale: 2 }));
        assert_eq!(parse("92233720368547758.08", 2), Err(FixedError::OutOfRange { scale: 2 }));
        assert_eq!(Fixed::<8>::try_from(Decimal::MAX), Err(FixedError::OutOfRange { scale: 8 }));
        assert_eq!(Fixed::<2>::MAX.checked_add(Fixed::from_units(1)), None);
        assert_eq!(
            FixedError::OutOfRange { scale: 2 }.to_string(),
            "must be from -92233720368547758.08 to 92233720368547758.07"
        );
    }

    #[test]
    fn shown_with_a_precision_or_a_width() {
        let fixed = Fixed::<8>::from_units(-1_250_000_000);
        assert_eq!(format!("{fixed} {fixed:.2} {fixed:>8} {fixed:.99}"), "-12.5 -12.50    -12.5 -12.50000000");
        assert_eq!(Fixed::<0>::from_units(100).to_string(), "100");
    }
}
