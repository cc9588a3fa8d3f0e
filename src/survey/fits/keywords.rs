//! The keywords of a header.

use std::sync::Arc;

use fitsio_pure::header::Card;
use fitsio_pure::value::Value;

/// The keywords of an HDU and, where it lacks one, those of the primary HDU, which hold for the whole file.
#[derive(Debug, Clone)]
pub(in crate::survey) struct Keywords {
    own: Vec<Card>,
    primary: Arc<Vec<Card>>,
}

impl Keywords {
    pub(super) fn new(own: Vec<Card>, primary: Arc<Vec<Card>>) -> Keywords {
        Keywords { own, primary }
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<f64> {
        number(&self.own, key).or_else(|| number(&self.primary, key))
    }

    /// A text that is not blank, without padding.
    pub fn text(&self, key: &str) -> Option<String> {
        self.own_text(key).or_else(|| text(&self.primary, key))
    }

    /// A number of this HDU's own header.
    pub fn own_number(&self, key: &str) -> Option<f64> {
        number(&self.own, key)
    }

    /// All texts with this keyword: those of the HDU's own header, or those of the primary one if it has none.
    pub fn texts(&self, key: &str) -> Vec<String> {
        let all = |cards: &[Card]| {
            let values = cards
                .iter()
                .filter(|c| c.keyword_str() == key)
                .filter_map(|c| match &c.value {
                    Some(Value::String(s)) => Some(s.trim().to_owned()),
                    _ => None,
                });
            values.filter(|text| !text.is_empty()).collect::<Vec<_>>()
        };
        let own = all(&self.own);
        if own.is_empty() { all(&self.primary) } else { own }
    }

    /// A text of this HDU's own header.
    pub fn own_text(&self, key: &str) -> Option<String> {
        text(&self.own, key)
    }
}

fn text(cards: &[Card], key: &str) -> Option<String> {
    let found = cards
        .iter()
        .filter(|c| c.keyword_str() == key)
        .find_map(|c| match &c.value {
            Some(Value::String(s)) => Some(s.trim()),
            _ => None,
        });
    found.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn number(cards: &[Card], key: &str) -> Option<f64> {
    let mut found = cards.iter().filter(|c| c.keyword_str() == key);
    found.find_map(|c| match c.value {
        Some(Value::Float(v)) => Some(v),
        Some(Value::Integer(v)) => Some(v as f64),
        _ => None,
    })
}
