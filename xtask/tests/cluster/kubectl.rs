//! What is in the cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::world::World;

/// What changes by itself.
const RESTLESS: [&str; 4] = ["events", "leases", "endpoints", "endpointslices"];

impl World {
    fn list(&self, environment: &str, args: &[&str]) -> Vec<Value> {
        let namespace = self.namespace(environment);
        let args = [&["--namespace", &namespace, "get", "-o", "json"], args].concat();
        let list: Value = serde_json::from_str(&self.kubectl(&args)).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// Returns the resource versions of all objects of an environment's namespace but those that change by
    /// themselves, and that of the namespace.
    pub(crate) fn versions(&self, environment: &str) -> BTreeMap<String, String> {
        let kinds =
            self.kubectl(&["api-resources", "--namespaced", "--verbs=list", "--output=name"]);
        let is_calm = |it: &&str| !RESTLESS.contains(&it.split('.').next().unwrap());
        let kinds: Vec<&str> = kinds.lines().filter(is_calm).collect();
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let object = |it: &Value| {
            let name = format!("{}/{}", text(&it["kind"]), text(&it["metadata"]["name"]));
            (name, text(&it["metadata"]["resourceVersion"]))
        };
        let mut res: BTreeMap<_, _> =
            self.list(environment, &[&kinds.join(",")]).iter().map(object).collect();
        let namespace = self.kubectl(&[
            "get",
            "namespace",
            &self.namespace(environment),
            "--ignore-not-found",
            "-o",
            "json",
        ]);
        res.extend(serde_json::from_str(&namespace).ok().as_ref().map(object));
        res
    }

    /// Returns the uids of the pods of a component and the restarts of their containers, by name, those that end
    /// left out.
    pub(crate) fn pods(&self, environment: &str, component: &str) -> BTreeMap<String, String> {
        let selector = format!("component={component}");
        let pods = self.list(environment, &["pods", "--selector", &selector]);
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let living = pods.iter().filter(|it| it["metadata"]["deletionTimestamp"].is_null());
        let state = |it: &Value| {
            let containers = it["status"]["containerStatuses"].as_array();
            let restarts = containers.into_iter().flatten().map(|it| it["restartCount"].as_u64());
            let restarts: u64 = restarts.flatten().sum();
            format!("{}, {restarts} restarts", text(&it["metadata"]["uid"]))
        };
        living.map(|it| (text(&it["metadata"]["name"]), state(it))).collect()
    }

    /// Returns the image that the hub starts for users.
    #[track_caller]
    pub(crate) fn user_image(&self, environment: &str) -> String {
        let namespace = self.namespace(environment);
        let data = "jsonpath={.data.values\\.yaml}";
        let data = self.kubectl(&["--namespace", &namespace, "get", "secret", "hub", "-o", data]);
        let values = STANDARD.decode(data).unwrap();
        let values: serde_yaml::Value = serde_yaml::from_slice(&values).unwrap();
        let image = &values["singleuser"]["image"];
        format!("{}:{}", image["name"].as_str().unwrap(), image["tag"].as_str().unwrap())
    }

    /// Returns the status of the newest revision.
    pub(crate) fn release_status(&self, environment: &str) -> String {
        let secrets = self.list(environment, &["secrets", "--selector", "owner=helm"]);
        let version = |it: &Value| {
            it["metadata"]["labels"]["version"].as_str().and_then(|it| it.parse::<u32>().ok())
        };
        let newest = secrets.iter().max_by_key(|it| version(it));
        let status = newest.and_then(|it| it["metadata"]["labels"]["status"].as_str());
        status.unwrap_or_default().to_owned()
    }

    /// Returns how often the nodes tried to pull the first image of a workload's pods.
    pub(crate) fn pulls(&self, environment: &str, workload: &str) -> u64 {
        let is_own = |it: &&Value| {
            it["reason"] == "Pulling"
                && it["involvedObject"]["name"].as_str().is_some_and(|it| it.starts_with(workload))
        };
        self.events(environment).iter().filter(is_own).filter_map(|it| it["count"].as_u64()).sum()
    }

    /// Makes a Secret immutable, so that Helm cannot change it.
    pub(crate) fn freeze(&self, environment: &str, secret: &str) {
        let namespace = self.namespace(environment);
        let patch = ["--namespace", &namespace, "patch", "secret", secret, "--patch"];
        self.kubectl(&[&patch[..], &["{\"immutable\": true}"]].concat());
    }

    /// Returns the number of the newest revision.
    pub(crate) fn newest(&self, environment: &str) -> u32 {
        let secrets = self.list(environment, &["secrets", "--selector", "owner=helm"]);
        let version = |it: &Value| it["metadata"]["labels"]["version"].as_str()?.parse().ok();
        secrets.iter().filter_map(version).max().unwrap_or_default()
    }

    /// Returns the events of an environment, oldest first.
    pub(crate) fn events(&self, environment: &str) -> Vec<Value> {
        self.list(environment, &["events", "--sort-by=.metadata.creationTimestamp"])
    }

    /// Returns the names of the pods that a workload has had, as long as events are kept.
    pub(crate) fn created(&self, environment: &str, workload: &str) -> BTreeSet<String> {
        let begin = format!("Created pod: {workload}-");
        let events = self.events(environment);
        let messages = events.iter().filter_map(|it| it["message"].as_str());
        messages.filter(|it| it.starts_with(&begin)).map(str::to_owned).collect()
    }

    /// Starts or stops the server of a user, and waits for it.
    #[track_caller]
    pub(crate) fn person(&self, environment: &str, verb: &str, name: &str) {
        let namespace = self.namespace(environment);
        let args = [
            "--namespace",
            &namespace,
            "exec",
            "-i",
            "deploy/hub",
            "--container",
            "hub",
            "--",
            "python3",
            "-",
            verb,
            name,
        ];
        self.kubectl_with(&args, include_str!("people.py"));
    }

    /// Waits until something is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(300);
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
