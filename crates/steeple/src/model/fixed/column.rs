//! `Fixed` as a column of a SeaORM entity.

use sea_orm::{
    ColIdx, ColumnType, DbErr, QueryResult, TryGetError, TryGetable, Value,
    sea_query::{Alias, ArrayType, IntoIden as _, Nullable, ValueType, ValueTypeErr},
};

use super::Fixed;

// The column's type carries the scale into the `Model` of the entity: there is no other way from a field's Rust type
// to there. As SQL it is a bigint on all three databases.
const FRONT: &str = "bigint /* fixed(";
const BACK: &str = ") */";

/// The scale, when a column is a [`Fixed`].
pub(in crate::model) fn scale_of(column: &ColumnType) -> Option<u32> {
    let ColumnType::Custom(name) = column else { return None };
    name.to_string().strip_prefix(FRONT)?.strip_suffix(BACK)?.parse().ok()
}

impl<const SCALE: u32> From<Fixed<SCALE>> for Value {
    fn from(fixed: Fixed<SCALE>) -> Self {
        Self::BigInt(Some(fixed.units()))
    }
}

impl<const SCALE: u32> TryGetable for Fixed<SCALE> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        i64::try_get_by(row, index).map(Self::from_units)
    }
}

impl<const SCALE: u32> ValueType for Fixed<SCALE> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <i64 as ValueType>::try_from(value).map(Self::from_units)
    }

    fn type_name() -> String {
        format!("Fixed<{SCALE}>")
    }

    fn array_type() -> ArrayType {
        ArrayType::BigInt
    }

    fn column_type() -> ColumnType {
        ColumnType::Custom(Alias::new(format!("{FRONT}{SCALE}{BACK}")).into_iden())
    }
}

impl<const SCALE: u32> Nullable for Fixed<SCALE> {
    fn null() -> Value {
        Value::BigInt(None)
    }
}

impl<const SCALE: u32> sea_orm::IntoActiveValue<Self> for Fixed<SCALE> {
    fn into_active_value(self) -> sea_orm::ActiveValue<Self> {
        sea_orm::ActiveValue::Set(self)
    }
}

impl<const SCALE: u32> sea_orm::TryFromU64 for Fixed<SCALE> {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Fixed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_carries_the_scale() {
        assert_eq!(scale_of(&<Fixed<8> as ValueType>::column_type()), Some(8));
        assert_eq!(scale_of(&<Fixed<0> as ValueType>::column_type()), Some(0));
        assert_eq!(scale_of(&ColumnType::BigInteger), None);
    }
}
