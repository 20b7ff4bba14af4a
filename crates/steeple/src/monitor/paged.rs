//! A page of a list.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};

/// A page of a list, by its number.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub(crate) struct Paged<T> {
    /// How many there are on all pages.
    pub count: u64,
    /// False: there are more than were counted; go on with `before`.
    pub count_is_exact: bool,
    /// The number of this page, from 1.
    pub page: u64,
    /// How many pages there are.
    pub pages: u64,
    /// How many a page has.
    pub page_size: u64,
    /// Whether there is a page after this one.
    pub has_next: bool,
    /// Whether there is a page before this one.
    pub has_previous: bool,
    /// The number of the page after this one.
    pub next_page: Option<u64>,
    /// The number of the page before this one.
    pub previous_page: Option<u64>,
    /// What is on this page.
    pub results: Vec<T>,
}

impl<T> Paged<T> {
    /// The page `page` of `page_size`, where there are `count` in all.
    ///
    /// # Errors
    /// NOT_FOUND past the end; the first page of an empty list is there.
    pub fn of(results: Vec<T>, (count, count_is_exact): (u64, bool), (page, page_size): (u64, u64)) -> Result<Self> {
        let pages = count.div_ceil(page_size).max(1);
        if page > pages {
            return Err(Error::not_found("page", format!("{page} (the last is {pages})")));
        }
        let (has_next, has_previous) = (page < pages, page > 1);
        Ok(Self {
            count,
            count_is_exact,
            page,
            pages,
            page_size,
            has_next,
            has_previous,
            next_page: has_next.then_some(page + 1),
            previous_page: has_previous.then(|| page - 1),
            results,
        })
    }

    /// The same page of other things.
    pub fn with<U>(self, results: Vec<U>) -> Paged<U> {
        let Self {
            count,
            count_is_exact,
            page,
            pages,
            page_size,
            has_next,
            has_previous,
            next_page,
            previous_page,
            ..
        } = self;
        Paged {
            count,
            count_is_exact,
            page,
            pages,
            page_size,
            has_next,
            has_previous,
            next_page,
            previous_page,
            results,
        }
    }

    /// A page of a list that is all there.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn slice(all: Vec<T>, (page, page_size): (u64, u64)) -> Result<Self> {
        let count = all.len() as u64;
        let skip = usize::try_from(page.saturating_sub(1).saturating_mul(page_size)).unwrap_or(usize::MAX);
        let results = all.into_iter().skip(skip).take(page_size as usize).collect();
        Self::of(results, (count, true), (page, page_size))
    }
}
