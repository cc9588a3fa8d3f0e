//! The keywords of a header, with those of the file.

use std::sync::Arc;

use super::header::Header;

/// The keywords of an HDU and, where it lacks one, those of the primary HDU, which hold for the whole file. Keys are in
/// upper case; that of a HIERARCH card is its name.
#[derive(Debug, Clone)]
pub(in crate::survey) struct Keywords {
    own: Arc<Header>,
    primary: Arc<Header>,
}

impl Keywords {
    pub(super) fn new(own: Arc<Header>, primary: Arc<Header>) -> Keywords {
        Keywords { own, primary }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.own.number(key).or_else(|| self.primary.number(key))
    }

    /// A text that is not blank, without padding.
    pub fn text(&self, key: &str) -> Option<String> {
        self.own_text(key).or_else(|| self.primary.text(key).map(str::to_owned))
    }

    /// A number of this HDU's own header.
    pub fn own_number(&self, key: &str) -> Option<f64> {
        self.own.number(key)
    }

    /// All texts with this keyword: those of the HDU's own header, or those of the primary one if it has none.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let all = |header: &Header| header.texts(key).map(str::to_owned).collect::<Vec<_>>();
        let own = all(&self.own);
        if own.is_empty() { all(&self.primary) } else { own }
    }

    /// A text of this HDU's own header.
    pub fn own_text(&self, key: &str) -> Option<String> {
        self.own.text(key).map(str::to_owned)
    }
}
