//! The differential test of merging: Helm renders the same from our one document as from the files.

use std::process::Command;

use serde_json::{Map, Value, json};

use crate::scratch::{Scratch, helms, run, stdout};

const CHART: &str = "apiVersion: v2\nname: echo\nversion: 0.1.0\n";
const TEMPLATE: &str = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: echo}\ndata: {values: {{ .Values | toJson | quote }}}\n";

#[test]
fn helm_renders_our_document_like_the_files() {
    let scratch = Scratch::new();
    let files = [
        "common/hub/values.yaml",
        "missions/hello/hub/common.yaml",
        "missions/hello/hub/local.yaml",
    ];
    let helms = helms();
    scratch.write("chart/Chart.yaml", CHART);
    scratch.write("chart/templates/echo.yaml", TEMPLATE);
    for seed in 1..=30 {
        let mut random = Random(seed);
        scratch.write("chart/values.yaml", &random.map(3).to_string());
        files.iter().for_each(|it| scratch.write(it, &random.map(3).to_string()));
        let merged = scratch.xtask(&["hub-values", "hello", "--env", "local", "--json"]);
        let merged = stdout(&merged);
        for helm in &helms {
            let mut layers = Command::new(helm);
            layers.arg("template").arg("x").arg(scratch.path("chart"));
            files.iter().for_each(|it| _ = layers.arg("-f").arg(scratch.path(it)));
            let mut one = Command::new(helm);
            one.arg("template").arg("x").arg(scratch.path("chart")).args(["-f", "-"]);
            let (layers, one) = (stdout(&run(&mut layers, "")), stdout(&run(&mut one, &merged)));
            assert_eq!(layers, one, "seed {seed}: {merged}");
        }
    }
}

/// A generator of values, always the same from one seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn map(&mut self, depth: u64) -> Value {
        let keys = ["a", "b", "c", "d.e", "0f"];
        let mut res = Map::new();
        for key in keys {
            if self.below(3) > 0 {
                res.insert(key.to_owned(), self.value(depth));
            }
        }
        res.into()
    }

    fn value(&mut self, depth: u64) -> Value {
        match self.below(if depth > 0 { 12 } else { 6 }) {
            0 => Value::Null,
            1 => true.into(),
            2 => self.below(1000).into(),
            3 => json!(0.25),
            4 => "no".into(),
            5 => "0644".into(),
            6 => (0..self.below(3)).map(|_| self.value(depth - 1)).collect(),
            7 => json!({}),
            _ => self.map(depth - 1),
        }
    }
}
