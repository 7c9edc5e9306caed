//! The outcome, for people: report and page.

pub mod page;
pub mod report;
