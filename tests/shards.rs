//! Shards of a catalogue, predicted in runs of their own and joined by `lensgpu merge`: the same rows as those of a single
//! run in every format, and shards that do not belong together are refused by name.

mod common;

use common::program::{Folder, done, fails, lensgpu};
use lensgpu::device::Device;
use lensgpu::infer::{InferOptions, Passes, Shard, infer};
use lensgpu::model::Model;
use lensgpu::progress::{Event, ignore_events};
use lensgpu::survey::table::provenance::Provenance;
use lensgpu::survey::{Catalogue, ImageFolderOptions};
use std::fs;
use std::ops::ControlFlow;

/// A model, and a catalogue with columns of all kinds.
fn folder() -> Folder {
    let f = Folder::new();
    done(&f.line("train {stack} --network {tiny.toml} --device cpu --members 2 --epochs 2 --batch 8 -q -o {run}"));
    let row = |i: u32| match i {
        // Texts that must not become numbers, and what CSV puts in quotes.
        3 => "3,007,,\"a, \"\"b\"\"\"\n".into(),
        i => format!("{i},{:03},{},#{i}\n", 10 * i, (f64::from(i) + 0.5) / 7.0),
    };
    let rows: String = (0..40).map(row).collect();
    f.write("targets.csv", format!("id,code,z,remark\n{rows}"));
    f
}

const INFER: &str = "infer {run/model.safetensors} {stack} --catalogue {targets.csv} --device cpu -q --member-columns";

fn shards(f: &Folder, count: usize, extension: &str) -> String {
    let one = |number: usize| {
        let name = format!("{{shard_{number}.{extension}}}");
        done(&f.line(&format!("{INFER} --shard {number}/{count} -o {name}")));
        name
    };
    let names: Vec<String> = (1..=count).map(one).collect();
    names.join(" ")
}

/// All cells, and the columns with their types and units.
fn content(f: &Folder, name: &str) -> (Vec<String>, Vec<String>) {
    let catalogue = Catalogue::read(&f.path(name)).unwrap();
    let columns = 0..catalogue.columns.len();
    let cells = (0..catalogue.len()).flat_map(|row| columns.clone().map(move |column| (row, column)));
    let cells = cells.map(|(row, column)| format!("{:?}", catalogue.cell(row, column)));
    let columns = columns
        .clone()
        .map(|column| format!("{:?}", catalogue.described(column)));
    (cells.collect(), columns.collect())
}

#[test]
fn merged_shards_are_the_catalogue_of_a_single_run() {
    let f = folder();
    done(&f.line(&format!("{INFER} -o {{whole.csv}}")));
    let whole = fs::read_to_string(f.path("whole.csv")).unwrap();
    assert_eq!(whole.lines().count(), 41);
    for extension in ["csv", "fits", "vot", "parquet"] {
        // In an order in which a shell may list them.
        let names = shards(&f, 3, extension);
        let mut names: Vec<&str> = names.split(' ').collect();
        names.rotate_left(2);
        let names = names.join(" ");
        let stdout = done(&f.line(&format!("merge {names} -o {{merged.{extension}}} --json")));
        let result: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!((&result["rows"], &result["shards"]), (&40.into(), &3.into()));
        done(&f.line(&format!("{INFER} -o {{whole.{extension}}}")));
        let (merged, single) = (format!("merged.{extension}"), format!("whole.{extension}"));
        assert_eq!(content(&f, &merged), content(&f, &single), "{extension}");
        let beside = |name: &str| {
            let text = fs::read(f.path(&format!("{name}.json"))).unwrap();
            let mut beside: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let keys = beside.as_object_mut().unwrap();
            ["file", "date", "command", "shards"]
                .iter()
                .for_each(|key| drop(keys.remove(*key)));
            beside
        };
        assert_eq!(beside(&merged), beside(&single), "{extension}");
        // Any format may follow.
        done(&f.line(&format!("merge {names} -o {{again.csv}} -q")));
        assert!(fs::read_to_string(f.path("again.csv")).unwrap() == whole, "{extension}");
    }
    let header = fs::read(f.path("shard_2.fits")).unwrap();
    assert!(
        String::from_utf8_lossy(&header).contains("shard: 2/3"),
        "the file says which shard it is"
    );
    done(&f.line("merge {shard_1.csv} {shard_2.csv} {shard_3.csv} -o {out.fits} -q"));
    assert_eq!(content(&f, "out.fits").0.len(), content(&f, "whole.fits").0.len());
}

#[test]
fn a_shard_that_was_stopped_continues_without_missing_or_double_rows() {
    let f = folder();
    let model = Model::read(f.path("run/model.safetensors")).unwrap();
    let options = |name: &str, shard: &str, resume: bool| InferOptions {
        images: ImageFolderOptions {
            require_labels: false,
            catalogue: Some(f.path("targets.csv")),
            ..ImageFolderOptions::new(f.path("stack"))
        },
        output: f.path(name),
        provenance: Some(Provenance {
            sidecar: true,
            ..Provenance::new("THETA_E")
        }),
        member_columns: false,
        truth: None,
        passes: Passes {
            batch: 2,
            all_views: false,
        },
        resume,
        shard: (!shard.is_empty()).then(|| shard.parse::<Shard>().unwrap()),
    };
    let run = |options: &InferOptions| infer(&model, &Device::Cpu, options, &ignore_events).unwrap();
    run(&options("whole.csv", "", false));
    run(&options("b.csv", "2/2", false));
    let stopped = infer(
        &model,
        &Device::Cpu,
        &options("a.csv", "1/2", false),
        &|event| match event {
            Event::Advanced { done: 3.., .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        },
    );
    let stopped = stopped.unwrap();
    assert!(
        (3..20).contains(&stopped.rows) && stopped.objects == 20,
        "{}",
        stopped.rows
    );
    let merge = f.line("merge {a.csv} {b.csv} -o {merged.csv}");
    fails(1, &merge, &["a.csv.json, cannot be read", "--resume"]);
    // The journal of one shard is not that of another.
    let other = infer(&model, &Device::Cpu, &options("a.csv", "1/3", true), &ignore_events)
        .err()
        .unwrap();
    assert!(other.to_string().contains("another shard"), "{other}");
    assert_eq!(run(&options("a.csv", "1/2", true)).rows, 20);
    done(&merge);
    let text = |name: &str| fs::read_to_string(f.path(name)).unwrap();
    assert!(text("merged.csv") == text("whole.csv"));
}

#[test]
fn shards_that_do_not_belong_together_are_refused_by_name() {
    let f = folder();
    shards(&f, 2, "csv");
    let refused = |shards: &str, parts: &[&str]| {
        fails(1, &f.line(&format!("merge {shards} -o {{merged.csv}}")), parts);
        assert!(!f.path("merged.csv").exists() && !f.path("merged.csv.json").exists());
    };
    let shown = |name: &str| f.shown(name);
    refused("{shard_1.csv}", &["of 2 shards, shard 2 is missing"]);
    let both = [&*shown("shard_2.csv"), "are both shard 2/2"];
    refused("{shard_1.csv} {shard_2.csv} {shard_2.csv}", &both);
    done(&f.line(&format!("{INFER} -o {{whole.csv}}")));
    refused("{whole.csv}", &["whole.csv is not the catalogue of a shard"]);
    refused("{targets.csv}", &["targets.csv.json, cannot be read"]);
    for shard in ["0/2", "3/2", "x"] {
        fails(
            2,
            &f.line(&format!("{INFER} --shard {shard} -o {{x.csv}}")),
            &["--shard", "such as 3/64"],
        );
    }
    fails(
        1,
        &f.line(&format!("{INFER} --shard 1/41 -o {{x.csv}}")),
        &["40 objects", "41 shards"],
    );
    fails(
        2,
        &f.line(&format!("{INFER} --shard 1/2 --no-sidecar -o {{x.csv}}")),
        &["--no-sidecar"],
    );
    fails(
        2,
        &f.line("merge {shard_1.csv} {shard_2.csv} --members 2 -o {x.csv}"),
        &["--members is for models"],
    );

    let other = |name: &str, line: &str, parts: &str| {
        done(&f.line(&format!("{line} --shard 2/2 -o {{{name}.csv}}")));
        refused(
            &format!("{{shard_1.csv}} {{{name}.csv}}"),
            &[&shown("shard_1.csv"), &shown(&format!("{name}.csv")), parts],
        );
    };
    other("tta", &format!("{INFER} --tta"), "another value of --tta");
    other(
        "raw",
        &INFER.replace("-q", "--flux-scale 2 -q"),
        "another description of the images",
    );
    other(
        "columns",
        &INFER.replace("--member-columns", ""),
        "another list of columns",
    );
    let targets = fs::read_to_string(f.path("targets.csv")).unwrap();
    f.write(
        "other.csv",
        targets.replace(
            "
39,", "
40,",
        ),
    );
    other("data", &INFER.replace("{targets", "{other"), "another set of images");
    done(&f.line("train {stack} --network {tiny.toml} --device cpu --members 2 --epochs 1 --batch 8 -q -o {second}"));
    other("model", &INFER.replace("{run/", "{second/"), "another model");
    done(&f.line("calibrate {run/model.safetensors} {stack} --device cpu --method factors -o {calibrated} -q"));
    let calibrated = INFER.replace("{run/model.safetensors}", "{calibrated}");
    other("calibrated", &calibrated, "another model");
    done(&f.line(&format!("{calibrated} --raw --shard 1/2 -o {{raw.csv}}")));
    refused("{raw.csv} {calibrated.csv}", &["another calibration of the model"]);
    done(&f.line(&format!("{INFER} --shard 2/3 -o {{third.csv}}")));
    refused("{shard_1.csv} {third.csv}", &["another number of shards"]);

    // A copy of the images elsewhere, at another time, is the same data.
    fs::create_dir(f.path("other")).unwrap();
    for name in ["images.npy", "catalogue.csv"] {
        fs::write(
            f.path(&format!("other/{name}")),
            fs::read(f.path(&format!("stack/{name}"))).unwrap(),
        )
        .unwrap();
    }
    let copy = INFER.replace("{stack}", "{other}");
    done(&f.line(&format!("{copy} --shard 2/2 -o {{copy.csv}}")));
    done(&f.line("merge {shard_1.csv} {copy.csv} -o {merged.csv} -q"));
    fs::remove_file(f.path("merged.csv")).unwrap();
    fs::remove_file(f.path("merged.csv.json")).unwrap();

    // Rows that were edited.
    let text = fs::read_to_string(f.path("shard_2.csv")).unwrap();
    let (rest, _) = text.trim_end().rsplit_once('\n').unwrap();
    f.write("shard_2.csv", format!("{rest}\n"));
    refused(
        "{shard_1.csv} {shard_2.csv}",
        &["shard_2.csv has other rows or columns"],
    );
    let first = fs::read_to_string(f.path("shard_1.csv")).unwrap();
    let repeated = first.lines().nth(5).unwrap();
    f.write("shard_2.csv", format!("{rest}\n{repeated}\n"));
    let id = repeated.split(',').next().unwrap();
    refused(
        "{shard_1.csv} {shard_2.csv}",
        &[&format!("the id {id} is in"), "shard_1.csv and again in"],
    );
    assert_eq!(lensgpu("merge").code, Some(2));
}
