//! `--where`, by the program.

use super::*;

const INFER: &str = "infer MODEL {} --device cpu -o {out.csv} --no-sidecar --catalogue {targets.csv} --where";

fn images() -> Images {
    let images = Images::of(["a", "b", "c", "d"]);
    images.write(
        "targets.csv",
        "id,snr,survey,z lens,ok\na,12.5,deep,0.5,T\nb,,it's wide,nan,F\nc,-3,deep,0.9,true\nd,100,,1e3,0\n",
    );
    images
}

#[test]
fn conditions_select_rows() {
    let images = images();
    for (condition, expected) in [
        ("snr > 10", "ad"),
        ("snr>=-3~and~snr<100", "ac"),
        ("survey == 'deep'", "ac"),
        ("survey != 'deep'", "b"),
        ("survey = 'it''s wide'", "b"),
        ("`z lens` < 1", "ac"),
        ("\"z lens\" is null", "b"),
        ("not ok", "bd"),
        ("ok == 1 or snr in (100, 101)", "acd"),
        ("SNR is not null and not (snr > 50)", "ac"),
    ] {
        images.done(&format!("{INFER} {}", condition.replace(' ', "~")));
        let ids: String = program::table(&images.path("out.csv"))
            .1
            .iter()
            .map(|row| row["id"].clone())
            .collect();
        assert_eq!(ids, expected, "{condition}");
    }
}

#[test]
fn errors_point_at_the_place() {
    let images = images();
    for (condition, parts) in [
        ("snr >", &["character 6", "its end"][..]),
        ("snr > 10 and", &["character 13"]),
        ("snr > 3 and colour == 1", &["'colour'", "character 13", "id, snr"]),
        ("survey == 'deep", &["'", "character 11", "not closed"]),
        ("(snr > 3", &["')'", "character 9"]),
        ("snr ~~ 3", &["character 5"]),
        ("snr > 1000", &["none of the 4 rows", "snr > 1000"]),
    ] {
        let line = format!("{INFER} {}", condition.replace("~~", "@@").replace(' ', "~"));
        images.fails(&line, &[parts, &["--where 'is_lens == 1 and snr > 10'"]].concat());
        assert!(!images.path("out.csv").exists());
    }
}

#[test]
fn a_condition_needs_a_catalogue_and_may_use_that_of_the_folder() {
    let images = images();
    let line = INFER.replace("--catalogue {targets.csv} ", "");
    images.done(&format!("{line} snr>50"));
    assert_eq!(program::table(&images.path("out.csv")).1.len(), 1);
    for name in ["targets.csv", "out.csv"] {
        fs::remove_file(images.path(name)).unwrap();
    }
    images.fails(&format!("{line} snr>50"), &["has no .csv catalogue", "--catalogue"]);
}

#[test]
fn a_run_keeps_its_condition() {
    let images = Images::of((0..30).map(|i| i.to_string()));
    images.label("id,theta_e,survey", ",it's");
    images.write("tiny.toml", TINY);
    let condition = "theta_e > 0.7 and survey == 'it''s'";
    images.done(&format!(
        "train {{}} --images {{id}}.fits --network {{tiny.toml}} --members 1 --epochs 2 --batch 4 --calibration 0 -o {{run}} \
         --device cpu --where {}",
        condition.replace(' ', "~")
    ));
    let toml: toml::Table = fs::read_to_string(images.path("run/run.toml"))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(toml["data"]["where"].as_str(), Some(condition));
    let model = Model::read(images.path("run/model.safetensors")).unwrap();
    assert_eq!(model.about.training.rows, 25);
    // Resumed after its first epoch, it selects the same rows: another selection would be another run.
    fs::remove_file(images.path("run/model.safetensors")).unwrap();
    let text = fs::read_to_string(images.path("run/run.toml")).unwrap();
    images.write("run/run.toml", text.replace("theta_e > 0.7", "theta_e > 0.9"));
    images.fails("train --resume {run} --device cpu", &["run"]);
    images.write("run/run.toml", text);
    images.done("train --resume {run} --device cpu");
    assert_eq!(
        Model::read(images.path("run/model.safetensors"))
            .unwrap()
            .about
            .training
            .rows,
        25
    );
}
