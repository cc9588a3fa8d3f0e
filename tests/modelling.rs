//! `lensgpu prior` and `lensgpu compare`, as a user runs them, and bad input. `python/tests/test_modelling.py` loads the files
//! of `prior` in the programs that they are for.

mod common;

use common::program::{done, fails};
use lensgpu::posterior::quantiles::SCORES;
use lensgpu::survey::Catalogue;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with a catalogue, and models of its objects.
struct Tables(tempfile::TempDir);

/// Good; skewed; flagged near_edge; unread; reaching 0.
const CATALOGUE: &str = "\
id,ra,dec,theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags,q_light
J1,10.5,-3.25,1.5,0.1,1.304004,1.400554,1.5,1.599446,1.695996,0,0.64
J 2/b,11.0,2.0,0.9,0.25,0.5,0.65,0.85,1.15,1.5,0,0.8
J3,12,1,2.0,0.2,1.608007,1.801108,2.0,2.198892,2.391993,8,0.8
J4,12,1,,,,,,,,128,0.8
J5,12,1,0.15,0.2,0,0,0.15,0.355137,0.553943,0,
";

const MODELS: &str = "\
id,theta_e,err,q,ref
J1,1.52,0.05,0.8,A
J1,2.1,0.05,0.7,B
J5,0.16,0.01,0.7,A
J 2/b,,0.01,0.7,A
J3,2.5,0.1,0.6,A
J4,2.5,0.1,0.6,A
X9,2.5,0.1,0.6,A
,2.5,0.1,0.6,A
";

impl Tables {
    fn new() -> Tables {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("out.csv"), CATALOGUE).unwrap();
        fs::write(folder.path().join("models.csv"), MODELS).unwrap();
        Tables(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command line whose `@` is the folder.
    fn line(&self, line: &str) -> String {
        line.replace("@", &format!("{}/", self.0.path().display()))
    }

    #[track_caller]
    fn done(&self, line: &str) -> String {
        done(&self.line(line))
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{line} --json"))).unwrap()
    }

    #[track_caller]
    fn fails(&self, code: i32, line: &str, parts: &[&str]) {
        fails(code, &self.line(line), parts);
    }

    fn read(&self, name: &str) -> Value {
        read(&self.path(name))
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn assert_close(found: &Value, expected: f64, tolerance: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_prior_of_pyautolens_is_in_its_convention() {
    let tables = Tables::new();
    let report = tables.json("prior @out.csv --format pyautolens --axis-ratio 0.64 --slope 2 -o @p");
    assert_eq!(
        (&report["written"], &report["left_out"]["flagged"]),
        (&3.into(), &1.into())
    );
    assert_eq!(report["left_out"]["without_prediction"], 1);
    assert_eq!(report["convention_source"], "assumed");
    // (1 + q) / (2 sqrt(q)) = 1.025
    assert_close(&report["factor"], 1.025, 1e-12);
    assert_eq!(names(&tables.path("p")), ["J%202%2Fb.json", "J1.json", "J5.json"]);
    let prior = &tables.read("p/J1.json")["arguments"]["einstein_radius"];
    assert_eq!(
        (&prior["type"], &prior["lower_limit"]),
        (&"TruncatedGaussian".into(), &0.0.into())
    );
    assert_close(&prior["mean"], 1.5 * 1.025, 1e-12);
    assert_close(&prior["sigma"], 0.1 * 1.025, 1e-6);
    // The largest of (0.355137 - 0.15) / 0.994458 and (0.553943 - 0.15) / 1.959964; quantiles of 0 are negative ones.
    let reaching_0 = tables.read("p/J5.json");
    assert_close(
        &reaching_0["arguments"]["einstein_radius"]["sigma"],
        0.206280 * 1.025,
        1e-5,
    );

    // Without an axis ratio, its error is part of sigma: f(0.75) = 1.0104, and a few per cent.
    tables.done("prior @out.csv --format pyautolens --mass isothermal -o @unknown");
    let unknown = tables.read("unknown/J1.json");
    assert_eq!(
        unknown["class_path"],
        "autogalaxy.profiles.mass.total.isothermal.Isothermal"
    );
    let sigma = unknown["arguments"]["einstein_radius"]["sigma"].as_f64().unwrap();
    assert!(sigma > 0.1015 && sigma < 0.108, "{sigma}");

    // A column: that of J1 is 0.64, that of J5 is unknown.
    let of_column = tables.json("prior @out.csv --format pyautolens --mass isothermal --axis-ratio q_light -o @column");
    assert!(of_column["factor_error"].as_f64().unwrap() > 0.0);
    let mean = |name: &str| tables.read(name)["arguments"]["einstein_radius"]["mean"].clone();
    assert_close(&mean("column/J1.json"), 1.5 * 1.025, 1e-12);
    assert_eq!(mean("column/J5.json"), mean("unknown/J5.json"));
}

#[test]
fn a_prior_of_lenstronomy_has_the_arguments_of_its_fitting_sequence() {
    let tables = Tables::new();
    tables.done("prior @out.csv --format lenstronomy -o @p.json");
    let objects = &tables.read("p.json")["objects"];
    assert_eq!(objects.as_object().unwrap().len(), 3);
    let object = &objects["J1"];
    assert_eq!(object["kwargs_model"]["lens_model_list"][0], "EPL");
    let [init, sigma, fixed, low, high] = [0, 1, 2, 3, 4].map(|i| &object["kwargs_params"]["lens_model"][i][0]);
    assert_close(&init["theta_E"], 1.5, 1e-9);
    assert_close(&sigma["theta_E"], 0.1, 1e-6);
    assert_close(&low["theta_E"], 1.0, 1e-5);
    assert_close(&high["theta_E"], 2.0, 1e-5);
    assert_eq!(fixed.as_object().unwrap().len(), 0);
    for parameter in ["gamma", "e1", "e2", "center_x", "center_y"] {
        let [low, init, high] = [low, init, high].map(|kwargs| kwargs[parameter].as_f64().unwrap());
        assert!(low < init && init < high, "{parameter}");
    }
    let prior = &object["kwargs_likelihood"]["prior_lens"][0];
    assert_eq!(
        (&prior[0], &prior[1], &prior[2]),
        (&0.into(), &"theta_E".into(), &1.5.into())
    );

    tables.done("prior @out.csv --format lenstronomy --mass isothermal --shape log-normal -o @p.json");
    let object = &tables.read("p.json")["objects"]["J1"];
    assert_eq!(object["kwargs_model"]["lens_model_list"][0], "SIE");
    assert_close(
        &object["kwargs_likelihood"]["prior_lens_lognormal"][0][2],
        1.5f64.ln(),
        1e-6,
    );
    assert!(object["kwargs_params"]["lens_model"][0][0].get("gamma").is_none());
}

#[test]
fn a_template_of_coolest_has_prior_and_point_estimate() {
    let tables = Tables::new();
    tables.done("prior @out.csv --format coolest --pixel-scale 0.1 -o @p");
    let template = tables.read("p/J1.json");
    assert_eq!(
        (&template["standard"], &template["mode"]),
        (&"COOLEST".into(), &"MAP".into())
    );
    assert_eq!(template["coordinates_origin"]["ra"], "10.5d");
    let mass = &template["lensing_entities"][0]["mass_model"][0];
    assert_eq!(mass["type"], "PEMD");
    let theta_e = &mass["parameters"]["theta_E"];
    assert_close(&theta_e["point_estimate"]["value"], 1.5, 1e-9);
    assert_eq!(theta_e["prior"]["type"], "GaussianPrior");
    assert_close(&theta_e["prior"]["width"], 0.1, 1e-6);
    assert!(mass["parameters"]["q"]["prior"]["type"].is_null());
}

/// Slope 1.7 and axis ratio 0.6: tests/data/conventions has 1.338860244 for theta_E = 1.3.
#[test]
fn the_convention_of_the_catalogue_is_that_of_the_labels_or_as_given() {
    let tables = Tables::new();
    let shape = "--axis-ratio 0.6 --slope 1.7 --shear 0";
    let given = format!("prior @out.csv --format lenstronomy {shape} --catalogue-convention circularised -o @p.json");
    assert_close(&tables.json(&given)["factor"], 1.3 / 1.338860244, 1e-6);
    let sidecar = r#"{"format": "lensgpu-table", "model": {"label": {"definition": "theta_e_crit"}}}"#;
    fs::write(tables.path("out.csv.json"), sidecar).unwrap();
    let of_labels = tables.json(&format!("prior @out.csv --format lenstronomy {shape} -o @p.json"));
    assert_close(&of_labels["factor"], 1.3 / 1.338860244, 1e-6);
    assert_eq!(of_labels["convention_source"], "of the model's labels");
}

#[test]
fn flagged_rows_are_left_out_or_have_a_wider_prior() {
    let tables = Tables::new();
    let line = "prior @out.csv --format lenstronomy --flags near_edge --widen 3 -o @p.json";
    let report = tables.json(line);
    assert_eq!((&report["written"], &report["widened"]), (&4.into(), &1.into()));
    let prior = &tables.read("p.json")["objects"]["J3"]["kwargs_likelihood"]["prior_lens"][0];
    assert_close(&prior[3], 0.6, 1e-5);
    let text = tables.done(line);
    assert!(
        text.contains("4 priors, 1 of them flagged and 3 times as wide"),
        "{text}"
    );
}

#[test]
fn models_that_contradict_come_first_and_all_are_written() {
    let tables = Tables::new();
    let line = "compare @out.csv @models.csv --error err --sigma 4 -o @c.csv";
    let report = tables.json(line);
    let contradictions = report["contradictions"].as_array().unwrap();
    assert_eq!(contradictions.len(), 1);
    assert_eq!(contradictions[0]["id"], "J1");
    // (2.1 - 1.5) / sqrt(0.1^2 + 0.05^2)
    assert_close(&contradictions[0]["n_sigma"], 0.6 / 0.1f64.hypot(0.05), 1e-4);
    let matches = &report["matches"];
    assert_eq!(
        (&matches["models"], &matches["compared"], &matches["without_id"]),
        (&8.into(), &3.into(), &1.into())
    );
    for (list, ids) in [
        ("several_models", vec!["J1"]),
        ("without_prediction", vec!["X9"]),
        ("prediction_left_out", vec!["J3", "J4"]),
        ("without_radius", vec!["J 2/b"]),
        ("without_model", vec!["J 2/b"]),
        ("several_predictions", vec![]),
    ] {
        assert_eq!(matches[list], Value::from(ids), "{list}");
    }
    let table = Catalogue::read(&tables.path("c.csv")).unwrap();
    let number = |row: usize, name: &str| table.number(row, table.find(name).expect(name));
    let sigmas: Vec<f64> = (0..table.len()).map(|row| number(row, "n_sigma").abs()).collect();
    assert!(sigmas.len() == 3 && sigmas.is_sorted_by(|a, b| a >= b), "{sigmas:?}");
    assert_eq!(table.text(0, table.find("ref").unwrap()), "B");
    assert_eq!(table.text(0, table.find("contradicts").unwrap()), "true");
    assert!((number(0, "theta_e_model") - 2.1).abs() < 1e-12 && (number(0, "difference") - 0.6).abs() < 1e-12);
    let text = tables.done(line);
    assert!(
        text.contains("models whose prediction is flagged or empty: 2 (J3, J4)"),
        "{text}"
    );
    assert!(
        text.contains("1 of 3 contradict the prediction by 4 sigma or more"),
        "{text}"
    );
}

#[test]
fn radii_are_compared_in_one_convention() {
    let tables = Tables::new();
    let models = "id,theta_e,q\nJ1,1.5375,0.64\n";
    fs::write(tables.path("models.csv"), models).unwrap();
    let line = "compare @out.csv @models.csv --axis-ratio q --slope 2 --sigma 1e-9";
    let same = tables.json(&format!("{line} --convention pyautolens"));
    assert_eq!(same["contradictions"].as_array().unwrap().len(), 0);
    let other = tables.json(line);
    assert_close(&other["contradictions"][0]["n_sigma"], 0.375, 1e-4);
}

/// With the members' predictions the tail is that of their mixture, which has no normal tail.
#[test]
fn the_members_decide_if_the_quantiles_are_theirs() {
    let tables = Tables::new();
    let mut text = String::from("id,theta_e,sigma,q02_5,q16,q50,q84,q97_5,flags,mu_0,var_0\n");
    let quantiles = SCORES.map(|z| format!("{}", 1.5 + 0.1 * z)).join(",");
    writeln!(text, "J1,1.5,0.1,{quantiles},0,1.5,0.01").unwrap();
    fs::write(tables.path("out.csv"), text).unwrap();
    let report = tables.json("compare @out.csv @models.csv --sigma 0.1");
    assert_eq!(report["posteriors"], "mixture of 1 member");
    assert_close(&report["contradictions"][0]["n_sigma"], 6.0, 1e-6);
    let rebuilt = tables.json("compare @out.csv @models.csv --sigma 0.1 --from-quantiles");
    assert_eq!(rebuilt["posteriors"], "rebuilt from their quantiles");
    assert_close(&rebuilt["contradictions"][0]["n_sigma"], 6.0, 1e-6);
}

#[test]
fn errors_name_the_problem_and_nothing_is_written() {
    let tables = Tables::new();
    let write = |name: &str, text: &str| fs::write(tables.path(name), text).unwrap();
    write("repeated.csv", &CATALOGUE.replace("J5", "J1"));
    write("wrong.csv", &CATALOGUE.replace("1.599446", "much"));
    let flagged = |catalogue: String, last: &str| catalogue.replace(&format!("{last},0,"), &format!("{last},1,"));
    let lasts = ["1.695996", "1.5", "0.553943"];
    write("flagged.csv", &lasts.into_iter().fold(CATALOGUE.into(), flagged));
    write("round.csv", &CATALOGUE.replace("0.64", "1.64"));
    write("bare.csv", "id,theta_e\nJ1,1.5\n");
    write("negative.csv", &MODELS.replace("1.52", "-1.52"));
    write("text.csv", &MODELS.replace("1.52", "large"));
    write("others.csv", &MODELS.replace("J", "K"));
    let before = names(tables.0.path());
    for (code, line, parts) in [
        (2, "prior @out.csv --format other -o @p", &["other", "lenstronomy"][..]),
        (
            2,
            "prior @out.csv --format coolest -o @p",
            &["pixel scale", "--pixel-scale"],
        ),
        (
            2,
            "prior @out.csv --format coolest --pixel-scale -1 -o @p",
            &["pixel scale is -1"],
        ),
        (
            2,
            "prior @out.csv --format coolest --pixel-scale nan -o @p",
            &["pixel scale is NaN"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --widen 0.5 -o @p",
            &["0.5", "from 1 to 100"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --axis-ratio 1.5 -o @p",
            &["axis ratio is 1.5"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --axis-ratio nan -o @p",
            &["axis ratio is NaN"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --slope 3 -o @p",
            &["slope is 3", "from 1.1 to 2.9"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --shear -0.1 -o @p",
            &["shear is -0.1"],
        ),
        (
            2,
            "prior @out.csv --format pyautolens --flags blue -o @p",
            &["'blue' is no flag"],
        ),
        (
            1,
            "prior @out.csv --format pyautolens --axis-ratio none -o @p",
            &["no column 'none'", "axis ratio"],
        ),
        (
            1,
            "prior @round.csv --format pyautolens --axis-ratio q_light -o @p",
            &["'1.64'", "from 0.1 to 1"],
        ),
        (
            1,
            "prior @repeated.csv --format pyautolens -o @p",
            &["repeated.csv", "J1"],
        ),
        (
            1,
            "prior @wrong.csv --format pyautolens -o @p",
            &["wrong.csv", "q84", "'much'"],
        ),
        (
            1,
            "prior @flagged.csv --format pyautolens -o @p",
            &["none of the 5 rows", "--flags any"],
        ),
        (
            1,
            "prior @bare.csv --format pyautolens -o @p",
            &["bare.csv has no column 'q02_5'"],
        ),
        (
            1,
            "prior @missing.csv --format pyautolens -o @p",
            &["cannot open", "missing.csv"],
        ),
        (
            1,
            "prior @out.csv --format lenstronomy -o @none/p.json",
            &["there is no folder"],
        ),
        (1, "prior @out.csv --format lenstronomy -o @out.csv", &["out.csv"]),
        (2, "compare @out.csv @models.csv --sigma 0", &["number of sigma is 0"]),
        (
            1,
            "compare @out.csv @models.csv --label none",
            &["no column 'none'", "--label"],
        ),
        (
            1,
            "compare @out.csv @models.csv --error none",
            &["no column 'none'", "--error"],
        ),
        (
            1,
            "compare @out.csv @models.csv --models-id-column none",
            &["no column 'none'", "--models-id-column"],
        ),
        (
            1,
            "compare @out.csv @negative.csv",
            &["negative.csv", "'-1.52'", "positive"],
        ),
        (1, "compare @out.csv @text.csv", &["text.csv", "'large'"]),
        (
            1,
            "compare @out.csv @others.csv",
            &["no model in", "--models-id-column"],
        ),
        (1, "compare @out.csv @models.csv -o @c.txt", &["c.txt"]),
        (1, "compare @out.csv @models.csv -o @models.csv", &["models.csv"]),
    ] {
        tables.fails(code, line, parts);
        assert_eq!(names(tables.0.path()), before, "{line}");
    }
    // A folder with something in it is left alone.
    tables.done("prior @out.csv --format pyautolens -o @p");
    tables.fails(1, "prior @out.csv --format pyautolens -o @p", &["p"]);
    assert_eq!(names(&tables.path("p")).len(), 3);
}
