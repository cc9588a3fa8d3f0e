//! Advice on trainings that cannot begin, be resumed or end.

use crate::files;
use crate::train::{Error, MergeError};

/// What to do about a training that failed.
pub fn advice(error: &Error) -> Option<String> {
    let advice = match error {
        Error::Option { option, .. } | Error::NeedsImages { option } => {
            return Some(format!("Change {}.", flag(option)));
        }
        Error::FoldFile { .. } | Error::EmptyFold { .. } => "Correct the table given with --splits.",
        Error::FoldCount { .. } => "Change --folds.",
        Error::FoldsTooLarge { .. } => "Give fewer --folds.",
        Error::NeedsTable => "Leave out --network, or name a network file.",
        Error::BatchTooLarge { .. } => "Use a smaller --batch.",
        Error::TooFewRows { .. } => "Lower --hold-out, --validation or --calibration, or add images.",
        Error::Label { .. } => "Correct the label, or use another --likelihood or --network.",
        Error::OneClass { .. } => "Add objects that are not lenses (is_lens = 0), or leave out --p-lens.",
        Error::FluxScale => "Leave out --flux-scale.",
        Error::RecipeNetwork { .. } => "Describe another network with --network.",
        Error::OtherInput { .. } => "Choose the images with --crop and --bands as for the model of --from.",
        Error::NoSuchMember { .. } => "Name members of the model of --from with --members.",
        Error::Diverged { .. }
        | Error::MostStepsSkipped { .. }
        | Error::NoStepTaken { .. }
        | Error::WeightsNotFinite { .. } => "Lower --learning-rate.",
        Error::Files(files::Error::FolderNotEmpty { path }) => {
            return Some(format!(
                "Resume the run in it with `lensgpu train --resume {}`, or name another folder with -o.",
                path.display()
            ));
        }
        Error::NoRun { .. } => "Give the folder of a run that `lensgpu train -o` began.",
        Error::Merge(error) => return of_merge(error),
        Error::CheckpointRefused { source, .. } => return advice(source),
        Error::Files(error) => return super::files::advice(error),
        Error::Survey(error) => return super::survey::advice(error),
        Error::Lens(error) => return super::lens::advice(error),
        Error::Model(error) => return super::model::advice(error),
        Error::ArrayLength { .. }
        | Error::NetworkUnreadable { .. }
        | Error::NetworkFile { .. }
        | Error::OtherNetwork { .. }
        | Error::StoppedBeforeTraining
        | Error::Stopped { .. }
        | Error::RunFile { .. }
        | Error::RunComplete { .. }
        | Error::ImagesChanged { .. }
        | Error::DataChanged
        | Error::CheckpointMissing { .. }
        | Error::CheckpointDamaged { .. }
        | Error::CheckpointTensor { .. }
        | Error::CheckpointProgress { .. }
        | Error::NoCalibrationRows { .. }
        | Error::CalibrationRowsDamaged { .. }
        | Error::Encode { .. }
        | Error::Network(_) => return None,
        Error::Device(error) => return super::device::advice(error),
        Error::Posterior(error) => return super::posterior::advice(error),
        Error::Plot(error) => return super::plot::advice(error),
    };
    Some(advice.into())
}

/// What to do about runs that cannot be merged.
fn of_merge(error: &MergeError) -> Option<String> {
    let advice = match error {
        MergeError::NotFinished { folder } => {
            return Some(format!("Finish it with `lensgpu train --resume {}`.", folder.display()));
        }
        MergeError::Missing { members } => {
            let member = members.first()?;
            return Some(format!(
                "Train them with the options of the other runs and --members, such as --members {member}..{member}; or say \
                 with --members which members the model is to have."
            ));
        }
        MergeError::Overlap { .. } => "Name each run once, and runs with different --members.",
        MergeError::NotExpected { .. } => "Leave out that run, or change --members.",
        MergeError::Differ { .. } | MergeError::OtherData { .. } => {
            "Members of one ensemble are trained with the same data and options; only --members and --device may differ."
        }
        MergeError::Folds { .. } => "Train each member range without --folds.",
        MergeError::NoRuns | MergeError::Inconsistent { .. } => return None,
    };
    Some(advice.into())
}

/// The flag that sets an option of the library.
fn flag(option: &str) -> String {
    format!("--{}", option.replace('_', "-"))
}
