//! An exact decimal number on every database.
//!
//! SeaORM's `Decimal` is a float on SQLite, as Django's is: `0.1` three times is not `0.3`, and sums of money drift. A
//! [`Fixed<8>`] is the whole number of its hundred-millionths in a `BIGINT`, so that comparing, ordering, adding in SQL
//! (`SET balance = balance - ?`) and reading back are exact everywhere.
//!
//! Must never: round, wrap around, or pass through a float.

mod column;
mod text;

use std::{error::Error as StdError, fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::Error;

pub(super) use self::{
    column::scale_of,
    text::{Shown, parse, show},
};

/// A decimal number with exactly `SCALE` digits behind the point, from 0 to 18; `Fixed<8>` reaches
/// ±92,233,720,368.54775807.
///
/// As a field of an entity it is a `BIGINT`: write `big_integer` in the migration, and no `column_type` in the entity.
/// On the wire and in JSON it is text: `"12.5"`.
///
/// ```
/// use steeple::Fixed;
///
/// let price: Fixed<8> = "0.1".parse()?;
/// let sum = price.checked_add(price).and_then(|sum| sum.checked_add(price));
/// assert_eq!(sum, Some("0.3".parse()?));
/// assert_eq!(price.units(), 10_000_000);
/// assert_eq!(price.to_string(), "0.1");
/// assert_eq!("0.123456789".parse::<Fixed<8>>().unwrap_err().to_string(), "must have at most 8 decimal places");
/// # Ok::<(), steeple::model::FixedError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const SCALE: u32>(i64);

/// Why a number is no [`Fixed`]. The text completes "the price …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FixedError {
    /// Not digits with at most one point and a sign in front; `1e3` and `1,000` are not taken either.
    NotANumber,
    /// More digits behind the point than this type keeps.
    TooPrecise {
        /// How many it keeps.
        scale: u32,
    },
    /// Too far from zero.
    OutOfRange {
        /// The digits behind the point of the type, which say how far is too far.
        scale: u32,
    },
}

impl<const SCALE: u32> Fixed<SCALE> {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest.
    pub const MAX: Self = Self(i64::MAX);
    /// The smallest.
    pub const MIN: Self = Self(i64::MIN);

    const CHECKED: () = assert!(SCALE <= 18, "Fixed keeps at most 18 digits behind the point");

    /// So many of the smallest unit: `Fixed::<2>::from_units(1250)` is 12.5.
    pub const fn from_units(units: i64) -> Self {
        let () = Self::CHECKED;
        Self(units)
    }

    /// How many of the smallest unit: what the database keeps.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// The sum; `None` when it is out of range.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// The difference; `None` when it is out of range.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// So many times; `None` when it is out of range.
    pub const fn checked_times(self, count: i64) -> Option<Self> {
        match self.0.checked_mul(count) {
            Some(units) => Some(Self(units)),
            None => None,
        }
    }

    /// Below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl<const SCALE: u32> FromStr for Fixed<SCALE> {
    type Err = FixedError;

    fn from_str(text: &str) -> Result<Self, FixedError> {
        parse(text, SCALE).map(Self::from_units)
    }
}

impl<const SCALE: u32> fmt::Display for Fixed<SCALE> {
    /// Without needless zeros: `12.5`. A precision adds zeros and never cuts: `{:.2}` gives `12.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = u32::try_from(f.precision().unwrap_or(0)).unwrap_or(SCALE);
        f.pad_integral(!self.is_negative(), "", Shown::new(self.0, SCALE, digits).as_str())
    }
}

impl<const SCALE: u32> fmt::Debug for Fixed<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const SCALE: u32> From<Fixed<SCALE>> for Decimal {
    fn from(fixed: Fixed<SCALE>) -> Self {
        Self::from_i128_with_scale(fixed.0.into(), SCALE)
    }
}

impl<const SCALE: u32> TryFrom<Decimal> for Fixed<SCALE> {
    type Error = FixedError;

    fn try_from(decimal: Decimal) -> Result<Self, FixedError> {
        let decimal = decimal.normalize();
        let missing = SCALE.checked_sub(decimal.scale()).ok_or(FixedError::TooPrecise { scale: SCALE })?;
        decimal
            .mantissa()
            .checked_mul(10_i128.pow(missing))
            .and_then(|units| i64::try_from(units).ok())
            .map(Self::from_units)
            .ok_or(FixedError::OutOfRange { scale: SCALE })
    }
}

impl<const SCALE: u32> Serialize for Fixed<SCALE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const SCALE: u32> Deserialize<'de> for Fixed<SCALE> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for FixedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotANumber => f.write_str("must be a decimal number"),
            Self::TooPrecise { scale: 0 } => f.write_str("must be a whole number"),
            Self::TooPrecise { scale } => write!(f, "must have at most {scale} decimal places"),
            Self::OutOfRange { scale } => {
                write!(f, "must be from {} to {}", show(i64::MIN, scale, 0), show(i64::MAX, scale, 0))
            }
        }
    }
}

impl StdError for FixedError {}

impl From<FixedError> for Error {
    /// INVALID_ARGUMENT. [`Error::invalid`] with the field's name says more.
    fn from(error: FixedError) -> Self {
        Self::invalid_argument(format!("invalid value: {error}")).because(error)
    }
}
