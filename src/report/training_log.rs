//! Reads the `log.csv` of a training run.

use super::Error;
use crate::files;
use crate::plot::training_curves::MemberCurves;
use std::path::Path;

/// The curves of every member, in the order of the log. A cell that is not a number is NaN.
pub(super) fn curves(log: &Path) -> Result<Vec<MemberCurves>, Error> {
    let unreadable = |source| Error::Log {
        path: log.into(),
        source,
    };
    let mut reader = csv::Reader::from_reader(files::open(log).map_err(|error| unreadable(error.into()))?);
    let columns = reader.headers().map_err(unreadable)?.clone();
    let column = |column: &'static str| {
        let index = columns.iter().position(|name| name == column);
        index.ok_or_else(|| Error::LogColumn {
            path: log.into(),
            column,
        })
    };
    let member = column("member")?;
    let [train_nll, val_nll, val_rmse] = [column("train_nll")?, column("val_nll")?, column("val_rmse")?];
    let mut members: Vec<(String, MemberCurves)> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let index = members
            .iter()
            .position(|(name, _)| *name == row[member])
            .unwrap_or_else(|| {
                members.push((row[member].to_string(), MemberCurves::default()));
                members.len() - 1
            });
        let number = |column: usize| row[column].parse().unwrap_or(f64::NAN);
        let curves = &mut members[index].1;
        curves.train_nll.push(number(train_nll));
        curves.val_nll.push(number(val_nll));
        curves.val_rmse.push(number(val_rmse));
    }
    Ok(members.into_iter().map(|(_, curves)| curves).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_apart_and_other_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log.csv");
        let read = |text: &str| {
            std::fs::write(&log, text).unwrap();
            curves(&log)
        };
        let text = "epoch,member,train_nll,val_nll,val_rmse\n1,0,3,2.5,1\n1,4,2,,0.5\n2,0,1,1.5,0.25\n";
        let members = read(text).unwrap();
        assert_eq!(
            (&members[0].train_nll, &members[0].val_rmse),
            (&vec![3.0, 1.0], &vec![1.0, 0.25])
        );
        assert!(members.len() == 2 && members[1].val_nll[0].is_nan());
        let error = read("epoch,member,train_nll,val_rmse\n").unwrap_err();
        assert!(matches!(error, Error::LogColumn { column: "val_nll", .. }), "{error}");
        std::fs::remove_file(&log).unwrap();
        assert!(matches!(curves(&log), Err(Error::Log { .. })));
    }
}
