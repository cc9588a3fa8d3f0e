//! VOTables of any version (<https://www.ivoa.net/documents/VOTable/>), with data as TABLEDATA, BINARY or BINARY2.

mod binary;
mod error;
mod field;
mod text;

pub use error::VoTableError;

use super::choose::{Candidate, choose};
use super::content::{CellRows, Content, LeftOut, Rows};
use super::text::decode;
use crate::files::unpack;
use crate::survey::table::Cell;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use field::Field;
use roxmltree::{Document, Node, ParsingOptions};

/// Reads the table that [`choose`] takes. `file` is the name for notes.
///
/// # Errors
/// No such table, or a damaged one.
pub(super) fn read(
    bytes: Vec<u8>,
    wanted: &[&str],
    extension: Option<&str>,
    file: &str,
) -> Result<Content, VoTableError> {
    // The XML declaration of a file that is not UTF-8 names Latin-1 in practice.
    let text = decode(bytes).text;
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(&text, options)?;
    let tables: Vec<Node> = document.descendants().filter(|node| is(*node, "TABLE")).collect();
    let candidates: Vec<Candidate> = tables
        .iter()
        .enumerate()
        .map(|(i, table)| candidate(*table, i + 1))
        .collect();
    if candidates.is_empty() {
        return Err(VoTableError::NoTable);
    }
    let Some((place, note)) = choose(&candidates, wanted, extension, file) else {
        return Err(VoTableError::NoExtension {
            name: extension.unwrap_or_default().into(),
            found: candidates.iter().map(Candidate::label).collect(),
        });
    };
    let mut content = decoded(tables[place])?;
    content.notes.extend(note);
    Ok(content)
}

/// Whether the node is an element of this name, in any of the namespaces of VOTable.
fn is(node: Node, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|child| is(*child, name))
}

fn fields(table: Node) -> Vec<Field> {
    let fields = table.children().filter(|node| is(*node, "FIELD"));
    fields.enumerate().map(|(i, node)| Field::of(node, i + 1)).collect()
}

fn candidate(table: Node, number: usize) -> Candidate {
    let attribute = |name| table.attribute(name).unwrap_or("");
    let name = [attribute("name"), attribute("ID")]
        .into_iter()
        .find(|name| !name.is_empty());
    let stated = attribute("nrows").parse().ok();
    let rows = table
        .descendants()
        .filter(|node| is(*node, "TR") || is(*node, "STREAM"))
        .count();
    Candidate {
        name: name.unwrap_or_default().into(),
        number,
        version: None,
        columns: fields(table).into_iter().map(|field| field.column.name).collect(),
        rows: if rows == 0 { 0 } else { stated.unwrap_or(rows) },
    }
}

fn decoded(table: Node) -> Result<Content, VoTableError> {
    let fields = fields(table);
    let data = child(table, "DATA");
    let format = data.and_then(|data| data.children().find(Node::is_element));
    let columns = match format.map(|format| (format.tag_name().name(), format)) {
        None => vec![Vec::new(); fields.len()],
        Some(("TABLEDATA", data)) => table_data(&fields, data)?,
        Some((name @ ("BINARY" | "BINARY2"), data)) => {
            if let Some(unknown) = fields.iter().find(|field| field.kind.is_none()) {
                return Err(VoTableError::DataType {
                    column: unknown.column.name.clone(),
                    datatype: unknown.datatype.clone(),
                });
            }
            binary::columns(&fields, &stream(data)?, name == "BINARY2")?
        }
        Some((name, _)) => {
            return Err(VoTableError::Data {
                what: format!("of the kind {name}"),
            });
        }
    };
    let count = columns.first().map_or(0, Vec::len);
    let (mut described, mut kept, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (field, column) in fields.into_iter().zip(columns) {
        match field.kind {
            Some(_) => {
                described.push(field.column);
                kept.push(column);
            }
            None => left_out.push(LeftOut {
                reason: format!("its data type '{}' is unknown", field.datatype),
                name: field.column.name,
            }),
        }
    }
    let rows = CellRows { count, columns: kept };
    Ok(Content {
        left_out,
        ..Content::new(described, Rows::Cells(rows))
    })
}

fn table_data(fields: &[Field], data: Node) -> Result<Vec<Vec<Cell>>, VoTableError> {
    let mut columns = vec![Vec::new(); fields.len()];
    for (i, row) in data.children().filter(|node| is(*node, "TR")).enumerate() {
        let cells = row.children().filter(|node| is(*node, "TD"));
        let mut found = 0;
        for cell in cells {
            if let (Some(field), Some(column)) = (fields.get(found), columns.get_mut(found)) {
                column.push(text::cell(field, cell.text().unwrap_or("")));
            }
            found += 1;
        }
        if found != fields.len() {
            return Err(VoTableError::RowLength {
                row: i + 1,
                found,
                expected: fields.len(),
            });
        }
    }
    Ok(columns)
}

/// The bytes of a STREAM.
fn stream(data: Node) -> Result<Vec<u8>, VoTableError> {
    let unread = |what: &str| VoTableError::Data { what: what.into() };
    let stream = data
        .children()
        .find(|node| is(*node, "STREAM"))
        .ok_or_else(|| unread("missing"))?;
    if stream.attribute("href").is_some() {
        return Err(unread("in another file"));
    }
    let text: String = stream.children().filter_map(|node| node.text()).collect();
    let base64: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let bytes = BASE64_STANDARD.decode(base64)?;
    match unpack::is_gzip(&bytes) && stream.attribute("encoding") == Some("gzip") {
        true => unpack::gunzip(&bytes).map_err(VoTableError::Gzip),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests;
