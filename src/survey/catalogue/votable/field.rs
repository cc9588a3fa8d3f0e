//! Columns of a VOTable: the element FIELD.

use crate::survey::table::{Column, ColumnType};
use roxmltree::Node;

/// A column, and how its cells are written.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub column: Column,
    /// `None`: the data type is unknown.
    pub kind: Option<Kind>,
    /// Lengths of the axes, the fastest first; the last is `None` if it varies. Empty for one value.
    pub axes: Vec<Option<usize>>,
    /// The attribute `datatype`.
    pub datatype: String,
    /// The text that means "unknown".
    pub null: String,
}

/// What each value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Bit,
    Byte,
    Short,
    Int,
    Long,
    /// A character of one byte.
    Char,
    /// A character of two bytes.
    UnicodeChar,
    Float,
    Double,
    FloatComplex,
    DoubleComplex,
}

impl Kind {
    fn of(datatype: &str) -> Option<Kind> {
        Some(match datatype {
            "boolean" => Kind::Boolean,
            "bit" => Kind::Bit,
            "unsignedByte" => Kind::Byte,
            "short" => Kind::Short,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "char" => Kind::Char,
            "unicodeChar" => Kind::UnicodeChar,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "floatComplex" => Kind::FloatComplex,
            "doubleComplex" => Kind::DoubleComplex,
            _ => return None,
        })
    }

    pub fn is_text(self) -> bool {
        matches!(self, Kind::Char | Kind::UnicodeChar)
    }

    /// Numbers per value.
    pub fn parts(self) -> usize {
        if matches!(self, Kind::FloatComplex | Kind::DoubleComplex) {
            2
        } else {
            1
        }
    }

    /// The type of one value, or of one part of a complex number.
    pub fn value_type(self) -> ColumnType {
        match self {
            Kind::Boolean | Kind::Bit => ColumnType::Bool,
            Kind::Byte => ColumnType::U8,
            Kind::Short => ColumnType::I16,
            Kind::Int => ColumnType::I32,
            Kind::Long => ColumnType::I64,
            Kind::Char | Kind::UnicodeChar => ColumnType::Str,
            Kind::Float | Kind::FloatComplex => ColumnType::F32,
            Kind::Double | Kind::DoubleComplex => ColumnType::F64,
        }
    }
}

impl Field {
    /// `number`: its place, counted from 1, which names it if nothing else does.
    pub fn of(node: Node, number: usize) -> Field {
        let attribute = |name| node.attribute(name).unwrap_or("").trim();
        let children = |name: &'static str| node.children().filter(move |child| child.tag_name().name() == name);
        let name = [attribute("name"), attribute("ID")]
            .into_iter()
            .find(|name| !name.is_empty());
        let description = children("DESCRIPTION").find_map(|child| child.text()).unwrap_or("");
        let description: Vec<&str> = description.split_whitespace().collect();
        let null = children("VALUES")
            .find_map(|values| values.attribute("null"))
            .unwrap_or("");
        let datatype = attribute("datatype");
        let kind = Kind::of(datatype);
        let axes = axes(attribute("arraysize"));
        let column_type = kind.map_or(ColumnType::Str, |kind| column_type(kind, &axes));
        let name = name.map_or_else(|| format!("col{number}"), str::to_string);
        let column = Column {
            ucd: attribute("ucd").into(),
            null: null
                .trim()
                .parse()
                .ok()
                .filter(|_| kind.is_some_and(|kind| !kind.is_text())),
            ..Column::new(name, column_type, attribute("unit"), &description.join(" "))
        };
        Field {
            column,
            kind,
            axes,
            datatype: datatype.into(),
            null: null.trim().into(),
        }
    }

    /// Values per cell of fixed size; `None` if it varies.
    pub fn fixed_length(&self) -> Option<usize> {
        self.axes
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis?))
    }

    /// Values per step along the last axis, for cells whose size varies.
    pub fn values_per_step(&self) -> Option<usize> {
        let fixed = &self.axes[..self.axes.len().saturating_sub(1)];
        fixed
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis?))
    }

    pub fn is_array(&self) -> bool {
        matches!(self.column.column_type, ColumnType::Array { .. })
    }
}

/// `arraysize`: `8`, `*`, `8*`, `8x3`, `8x*`.
fn axes(arraysize: &str) -> Vec<Option<usize>> {
    match arraysize {
        "" | "1" => Vec::new(),
        _ => arraysize.split('x').map(|axis| axis.trim().parse().ok()).collect(),
    }
}

fn column_type(kind: Kind, axes: &[Option<usize>]) -> ColumnType {
    // The first axis of texts is their length.
    let axes = if kind.is_text() {
        axes.get(1..).unwrap_or(&[])
    } else {
        axes
    };
    if axes.is_empty() && kind.parts() == 1 {
        return kind.value_type();
    }
    let parts = (kind.parts() > 1).then_some(Some(kind.parts()));
    ColumnType::Array {
        element: Box::new(kind.value_type()),
        shape: parts.into_iter().chain(axes.iter().copied()).collect(),
    }
}
