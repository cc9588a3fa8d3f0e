//! Advice on images that a model cannot predict.

use crate::infer::Error;

/// What to do about an inference that failed.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Bands { .. } => "Name the bands of the model with --bands.",
        Error::NoCatalogue { .. } => "Name the table that has it with --catalogue.",
        Error::TruthColumn(_) => "Name the column with --truth.",
        Error::Survey(error) => return super::survey::advice(error),
        Error::Model(error) => return super::model::advice(error),
        Error::Partial { .. } => "Give the same command with --resume; --device cpu goes on without the device.",
        Error::TakesTables { .. } => "Give the file of a table instead of a folder.",
        Error::TakesImages { .. } => "Give the folder with the images.",
        Error::OtherRun { path, .. } => {
            return Some(format!(
                "Give the command that was stopped, or remove {} to begin anew.",
                path.display()
            ));
        }
        Error::ObjectsGone => "Give the command again without --resume.",
        Error::TooManyShards { .. } => "Give fewer shards with --shard.",
        Error::NoDescription { .. } => {
            "If the shard has not finished, give its command with --resume. Keep OUTPUT.json beside OUTPUT."
        }
        Error::NotAShard { .. } => "Give the catalogues that `lensgpu infer --shard` wrote.",
        Error::Changed { .. } => "Give the command of that shard again.",
        Error::OtherShard { .. } => "Give the same command for all shards; only --shard, -o and --device may differ.",
        Error::ShardTwice { .. } | Error::IdTwice { .. } => "Give each shard once.",
        Error::ShardsMissing { .. } => {
            "Give their command, with --resume if it was stopped, and name their catalogues."
        }
        Error::NoRows
        | Error::Size { .. }
        | Error::ArrayLength { .. }
        | Error::Stopped { .. }
        | Error::NothingReadable { .. }
        | Error::NoImage
        | Error::Unreadable(_)
        | Error::AllMasked { .. }
        | Error::NoPrediction { .. }
        | Error::Journal { .. }
        | Error::Row { .. } => return None,
        Error::Posterior(error) => return super::posterior::advice(error),
    };
    Some(advice.into())
}
