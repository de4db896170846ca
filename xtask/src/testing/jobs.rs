//! Tests of an image as Kubernetes Jobs: their manifests. Pure. Reference:
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/>.
//!
//! A Job has one pod and no second attempt. First, `fill` puts the tester of this checkout and copies of the
//! image's folders into volumes of the pod; the other containers are those of `image_test/tester.rs`.

pub(crate) mod limit;
pub(crate) mod state;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::testing::image_test::tester::{self, Part as Container};

/// Label of all objects of a run, which has the run's id.
pub(crate) const RUN: &str = "xtask-test-run";

/// Label with the time in seconds of Unix after which a run's objects are left-overs.
pub(crate) const DEADLINE: &str = "xtask-test-deadline";

/// Label of the objects of one Job.
pub(crate) const JOB: &str = "xtask-test-job";

/// Kinds of the objects of a run.
pub(crate) const KINDS: &str = "jobs,configmaps,networkpolicies";

/// Largest ConfigMap in bytes: <https://kubernetes.io/docs/concepts/configuration/configmap/>.
pub(crate) const LARGEST: usize = 1 << 20;

/// Name of the archive with the tester.
const SCRIPTS: &str = "common-scripts.tar.gz";

/// Mount points of `fill` alone.
const SENT: &str = "/opt/test-sent";
const COPIES: &str = "/opt/test-copies";

/// Mount point of the results of [`Container::Prepare`], beside those of the tests of the hub.
pub(crate) const IMAGE_RESULTS: &str = "/opt/test-results-of-image";

/// Seconds that results are kept in a pod, and that an ended Job is kept in a cluster.
const KEPT: u32 = 600;

/// What the Jobs of a run have in common.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    /// Id of the run, of few letters and digits.
    pub(crate) run: String,
    pub(crate) mission: String,
    /// Image by digest, as nodes name it.
    pub(crate) image: String,
    /// Architecture as Kubernetes names it.
    pub(crate) architecture: String,
    /// Secrets by which nodes log in to registries.
    pub(crate) pull_secrets: Vec<String>,
    /// Bytes of memory of a container.
    pub(crate) memory: u64,
    /// Bytes that tests may leave on the disk.
    pub(crate) disk: u64,
    pub(crate) patience: f64,
    /// Whether the mission's tests have a network.
    pub(crate) has_network: bool,
    /// Seconds that a pod may take.
    pub(crate) limit: u64,
    /// Number of pods, which may have to wait for each other.
    pub(crate) pods: u64,
    /// Time after which the objects are left-overs.
    pub(crate) deadline: u64,
}

/// Which pod of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pod {
    /// The mission's tests of the part with this index.
    Mission(u16),
    /// Tests of the image as a hub starts it.
    Hub,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pod::Mission(index) => write!(f, "{index}"),
            Pod::Hub => f.write_str("hub"),
        }
    }
}

impl Pod {
    /// Returns the container whose results are read, and which is followed.
    pub(crate) fn container(self) -> &'static str {
        if self == Pod::Hub { Container::Hub.role() } else { Container::Mission.role() }
    }

    /// Returns whether the tests of this pod must run without a network.
    pub(crate) fn is_closed(self, setup: &Setup) -> bool {
        self == Pod::Hub || !setup.has_network
    }
}

impl Setup {
    /// Returns the label selector of the objects of this run.
    pub(crate) fn selector(&self) -> String {
        format!("{RUN}={}", self.run)
    }

    /// Returns the name of a pod's Job and ConfigMap.
    pub(crate) fn job(&self, pod: Pod) -> String {
        format!("xtask-test-{}-{pod}", self.run)
    }

    fn labels(&self, pod: Option<Pod>) -> Value {
        let mut res = json!({
            "app.kubernetes.io/managed-by": "xtask",
            "xtask-test-mission": self.mission,
            RUN: self.run,
            DEADLINE: self.deadline.to_string(),
        });
        if let Some(pod) = pod {
            res[JOB] = self.job(pod).into();
            res["xtask-test-network"] = if pod.is_closed(self) { "none" } else { "egress" }.into();
        }
        res
    }

    /// Returns what all pods of the run need: the tester, an archive, and the policies of their networks.
    pub(crate) fn shared(&self, scripts: &[u8]) -> Vec<Value> {
        let name = format!("xtask-test-{}", self.run);
        let metadata = |name: &str| json!({"name": name, "labels": self.labels(None)});
        let policy = |network: &str, types: &[&str]| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": metadata(&format!("{name}-{network}")),
                "spec": {
                    "podSelector": {"matchLabels": {RUN: self.run, "xtask-test-network": network}},
                    "policyTypes": types,
                },
            })
        };
        let archive = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&name),
            "binaryData": {SCRIPTS: STANDARD.encode(scripts)},
        });
        vec![archive, policy("none", &["Ingress", "Egress"]), policy("egress", &["Ingress"])]
    }

    /// Returns the Job of a pod, and the ConfigMap with the plan of its tests.
    pub(crate) fn of_pod(&self, pod: Pod, plan: &str) -> Vec<Value> {
        let metadata = json!({"name": self.job(pod), "labels": self.labels(Some(pod))});
        let plan = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {tester::PLAN: plan},
        });
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": self.limit * self.pods,
                "ttlSecondsAfterFinished": KEPT,
                "template": {
                    "metadata": {"labels": self.labels(Some(pod)), "annotations": stays()},
                    "spec": self.pod(pod),
                },
            },
        });
        vec![plan, job]
    }

    fn pod(&self, pod: Pod) -> Value {
        let secrets: Vec<Value> = self.pull_secrets.iter().map(|it| json!({"name": it})).collect();
        let (first, last, volumes) = match pod {
            Pod::Mission(_) => (vec![self.fill(&MISSION)], Container::Mission, &MISSION[..]),
            Pod::Hub => {
                let prepare = self.container(Container::Prepare, &PREPARE);
                (vec![self.fill(&HUB), prepare], Container::Hub, &HUB[..])
            }
        };
        let last = self.container(last, volumes);
        let sources = [format!("xtask-test-{}", self.run), self.job(pod)];
        let sources = sources.map(|it| json!({"configMap": {"name": it}}));
        let mut all = vec![json!({"name": "sent", "projected": {"sources": sources}})];
        all.extend(volumes.iter().map(|it| json!({"name": it.name, "emptyDir": it.medium()})));
        json!({
            "restartPolicy": "Never",
            "activeDeadlineSeconds": self.limit,
            "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "nodeSelector": {"kubernetes.io/os": "linux", "kubernetes.io/arch": self.architecture},
            "imagePullSecrets": secrets,
            "initContainers": first,
            "containers": [last],
            "volumes": all,
        })
    }

    /// Returns the container that fills volumes.
    fn fill(&self, volumes: &[Volume]) -> Value {
        let mut lines = vec![
            format!("tar -xzf {SENT}/{SCRIPTS} -C {} --no-same-owner", tester::TESTER),
            format!("cp {SENT}/{0} {1}/{0}", tester::PLAN, tester::TESTER),
            format!("chmod 755 {}", tester::TESTER),
        ];
        let mut mounts = vec![json!({"name": "sent", "mountPath": SENT, "readOnly": true})];
        for it in volumes {
            let at = match it.content {
                Content::Tester => it.at.to_owned(),
                Content::OfImage => {
                    let copy = format!("{COPIES}/{}", it.name);
                    lines.push(format!("cp -a {}/. {copy}/", it.at));
                    copy
                }
                Content::Memory => {
                    lines.push(format!("chmod 1777 {}", it.at));
                    it.at.to_owned()
                }
                Content::None => continue,
            };
            mounts.push(json!({"name": it.name, "mountPath": at}));
        }
        json!({
            "name": "fill",
            "image": self.image,
            "command": ["/bin/sh", "-ec", lines.join("\n")],
            "securityContext": security(&["CHOWN", "DAC_OVERRIDE", "FOWNER"], false),
            "resources": self.resources(),
            "volumeMounts": mounts,
        })
    }

    fn container(&self, container: Container, volumes: &[Volume]) -> Value {
        let keep = if container == Container::Prepare { 0 } else { KEPT };
        let mounts = volumes.iter().map(Volume::mount).collect::<Vec<_>>();
        let keep = keep.to_string();
        let argv = [vec![tester::PYTHON.to_owned()], container.argv(&["--pod", &keep])].concat();
        let mut res = json!({
            "name": container.role(),
            "image": self.image,
            "command": argv,
            "env": [{"name": "PATIENCE", "value": self.patience.to_string()}],
            "securityContext": security(container.capabilities(), container == Container::Mission),
            "resources": self.resources(),
            "volumeMounts": mounts,
        });
        if container != Container::Prepare {
            let ended = format!("{}/ended", tester::RESULTS);
            res["readinessProbe"] = json!({"exec": {"command": ["test", "-f", ended]}, "periodSeconds": 2, "timeoutSeconds": 10});
        }
        res
    }

    fn resources(&self) -> Value {
        let memory = self.memory.to_string();
        json!({
            "limits": {"memory": memory},
            "requests": {"memory": memory, "cpu": "1", "ephemeral-storage": self.disk.to_string()},
        })
    }
}

/// Returns annotations by which autoscalers leave a pod, which has one attempt, on its node:
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>,
/// <https://karpenter.sh/docs/concepts/disruption/>.
fn stays() -> Value {
    json!({
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    })
}

/// Returns the rights of root in a container: few, and no way to others.
fn security(capabilities: &[&str], is_read_only: bool) -> Value {
    json!({
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": is_read_only,
        "capabilities": {"drop": ["ALL"], "add": capabilities},
    })
}

/// A volume of a pod and its mount point.
struct Volume {
    name: &'static str,
    at: &'static str,
    content: Content,
    is_read_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    None,
    /// The tester and its plan.
    Tester,
    /// The files that the image has there.
    OfImage,
    /// None, in memory, for everybody.
    Memory,
}

const fn volume(name: &'static str, at: &'static str, content: Content) -> Volume {
    Volume { name, at, content, is_read_only: matches!(content, Content::Tester) }
}

const TESTER: Volume = volume("tester", tester::TESTER, Content::Tester);
const RESULTS: Volume = volume("results", tester::RESULTS, Content::None);
const SCRATCH: Volume = volume("scratch", tester::SCRATCH, Content::None);
const OF_IMAGE: &str = "results-of-image";

const MISSION: [Volume; 8] = [
    TESTER,
    RESULTS,
    SCRATCH,
    volume("environments", "/opt/environments", Content::OfImage),
    volume("home", tester::HOME, Content::OfImage),
    volume("tmp", "/tmp", Content::Memory),
    volume("var-tmp", "/var/tmp", Content::Memory),
    volume("run", "/run", Content::Memory),
];

const PREPARE: [Volume; 4] = [
    TESTER,
    volume(OF_IMAGE, tester::RESULTS, Content::None),
    SCRATCH,
    volume("home", tester::PREPARED_HOME, Content::None),
];

const HUB: [Volume; 5] = [
    TESTER,
    RESULTS,
    SCRATCH,
    volume("home", tester::HOME, Content::None),
    Volume { is_read_only: true, ..volume(OF_IMAGE, IMAGE_RESULTS, Content::None) },
];

impl Volume {
    fn mount(&self) -> Value {
        json!({"name": self.name, "mountPath": self.at, "readOnly": self.is_read_only})
    }

    fn medium(&self) -> Value {
        match self.content {
            Content::Memory => json!({"medium": "Memory", "sizeLimit": "1Gi"}),
            _ => json!({}),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
