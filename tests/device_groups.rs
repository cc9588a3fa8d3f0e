//! Several devices at once, each for a range of the members: the results are those of one device, bit for bit. A machine
//! with a single device stands in for one with several by naming it more than once.

mod common;

use common::program::{Folder, Running, done, fails};
use common::{rings, write_stack};
use lensgpu::device::Device;
use lensgpu::model::Model;
use std::fs;

const SHAPE: [usize; 3] = [12, 12, 2];

fn folder() -> Folder {
    let f = Folder::new();
    fs::create_dir(f.path("many")).unwrap();
    write_stack(&f.path("many"), &rings(200, 5, SHAPE), SHAPE);
    f
}

/// Options that change which steps a member takes, and when it stops.
const TRAIN: &str = "train {many} --network {tiny.toml} --batch 16 --seed 3 --calibration 0.4 --ema 0.9 --shift 1 \
                     --adversarial 0.02 --members 5 -q";

/// The model without the time and the device of its training.
fn timeless(f: &Folder, run: &str) -> Model {
    let mut model = Model::read(f.path(run).join("model.safetensors")).unwrap();
    model.about.training.date.clear();
    model.about.training.device.clear();
    if let Some(calibration) = &mut model.about.calibration {
        calibration.record.date.clear();
    }
    model
}

#[test]
fn several_devices_train_and_predict_what_one_does() {
    let f = folder();
    for device in ["cpu", "software"] {
        let several = [device; 3].join(",");
        for (run, device) in [("one", device), ("several", several.as_str())] {
            let run = format!("{run}-{}", &device[..3]);
            done(&f.line(&format!(
                "{TRAIN} --epochs 4 --patience 1 --device {device} -o {{{run}}}"
            )));
            let infer = format!("infer {{{run}/model.safetensors}} {{many}} --member-columns -q --device {device}");
            done(&f.line(&format!("{infer} -o {{{run}.csv}}")));
        }
        let [one, several] = ["one", "several"].map(|run| format!("{run}-{}", &device[..3]));
        assert!(timeless(&f, &one) == timeless(&f, &several), "{device}");
        let catalogue = |run: &str| fs::read_to_string(f.path(&format!("{run}.csv"))).unwrap();
        assert_eq!(catalogue(&one), catalogue(&several), "{device}");
    }
}

#[test]
fn a_training_on_several_devices_stops_and_goes_on_on_another_number_of_them() {
    let f = folder();
    done(&f.line(&format!("{TRAIN} --epochs 200 --device cpu -o {{whole}}")));
    let stopped = f.line(&format!("{TRAIN} --epochs 200 --device cpu,cpu -o {{run}}"));
    Running::stopped(&stopped, &f.path("run/log.csv"), 4);
    done(&f.line("train --resume {run} -q --device cpu,cpu,cpu"));
    assert!(timeless(&f, "run") == timeless(&f, "whole"));
}

#[test]
fn devices_are_named_one_by_one_or_all_together() {
    let name = |device: &str| Device::choose(device).unwrap().name();
    let (cpu, software) = (name("cpu"), name("software"));
    assert_eq!(name("cpu, software"), format!("{cpu}, {software}"));
    assert_eq!(name("all"), name("auto"), "there is one GPU here, or none");
    // The names of some drivers contain a comma.
    let whole = software.trim_end_matches(" (software adapter)");
    assert_eq!(name(whole), software);

    let f = folder();
    let unknown = f.line(&format!("{TRAIN} --device cpu,voodoo -o {{run}}"));
    fails(2, &unknown, &["no device is called 'voodoo'", "--device takes auto"]);
}
