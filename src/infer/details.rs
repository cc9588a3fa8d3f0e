//! What the file beside a catalogue of predictions says about it.

use super::shard::Part;
use super::{InferOptions, InferReport};
use crate::model::Model;
use crate::survey::{ImageFolder, flags};
use serde_json::{Map, Value, json};

/// The model, the input, the shard, and how many rows have each flag.
pub(super) fn details(
    model: &Model,
    source: &ImageFolder,
    options: &InferOptions,
    part: Option<&Part>,
    report: &InferReport,
) -> Map<String, Value> {
    let file = options
        .provenance
        .as_ref()
        .and_then(|provenance| provenance.model.as_ref());
    let flagged = flags::FLAGS.iter().zip(&report.flagged);
    let flagged: Map<String, Value> = flagged.map(|(f, &count)| (f.name.to_string(), count.into())).collect();
    let details = [
        (
            "model",
            json!({
                "path": file.map(|file| &file.path),
                "sha256": file.map(|file| &file.sha256),
                "bands": model.about.bands,
                "label": model.about.label,
                "members": model.members.len(),
                "calibrated": model.about.calibration.is_some(),
            }),
        ),
        (
            "input",
            json!({
                "folder": options.images.dir,
                "images": options.images.images,
                "tiles": options.images.tiles.as_ref().map(|tiles| &tiles.pattern),
                "preset": options.images.preset.map(|preset| preset.name),
                "bands": source.bands,
                "catalogue": source.catalogue.as_ref().map(|catalogue| &catalogue.path),
            }),
        ),
        ("objects", report.objects.into()),
        ("without_prediction", report.unread.len().into()),
        ("flagged", flagged.into()),
    ];
    let part = part.map(|part| ("part", json!(part)));
    Map::from_iter(
        details
            .into_iter()
            .chain(part)
            .map(|(key, value)| (key.to_string(), value)),
    )
}
