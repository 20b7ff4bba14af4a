//! Finds rows by a part of a text, letter case aside.

use sea_orm::{
    ColumnTrait,
    sea_query::{Expr, ExprTrait as _, Func, LikeExpr},
};

/// `column` contains `text`. What means something in a pattern is a letter like any other.
pub fn contains(column: impl ColumnTrait, text: &str) -> Expr {
    // `!` as the escape, because MySQL reads a backslash in a literal twice.
    let escaped: String = text
        .to_lowercase()
        .chars()
        .flat_map(|letter| matches!(letter, '%' | '_' | '!').then_some('!').into_iter().chain([letter]))
        .collect();
    Expr::expr(Func::lower(Expr::col(column.as_column_ref()))).like(LikeExpr::new(format!("%{escaped}%")).escape('!'))
}
