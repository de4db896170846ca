//! The chart that the tests deploy, in a repository on this machine unless it is another's.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    images::{Image, Images},
    run::output,
    served::Server,
    settings::{Chart, Settings},
};

/// A chart repository.
pub(crate) struct Repository {
    pub(crate) url: String,
    pub(crate) name: String,
    dir: PathBuf,
}

impl Repository {
    /// Returns the repository with the chart of the settings, the small one as version 0.1.0.
    pub(crate) fn new(dir: &Path, settings: &Settings, images: &Images) -> Repository {
        if let Chart::Repository { url, name, .. } = &settings.chart {
            return Repository { url: url.clone(), name: name.clone(), dir: dir.to_owned() };
        }
        fs::create_dir_all(dir).unwrap();
        let port = Server::new(dir.to_owned()).port;
        let mut res = Repository {
            url: format!("http://127.0.0.1:{port}/"),
            name: "jupyterhub".to_owned(),
            dir: dir.to_owned(),
        };
        match &settings.chart {
            Chart::Archive(path) => {
                fs::copy(path, dir.join(path.file_name().unwrap())).unwrap();
                let chart = output(helm(settings).args(["show", "chart"]).arg(path));
                let name = chart.lines().find_map(|it| it.strip_prefix("name: ")).unwrap();
                name.clone_into(&mut res.name);
                res.index(settings);
            }
            _ => res.package(settings, images, "0.1.0", &images.hub, "6.1.1"),
        }
        res
    }

    /// Packages the small chart as `version`, with `hub` as its own image of JupyterHub `app_version`.
    pub(crate) fn package(
        &self,
        settings: &Settings,
        images: &Images,
        version: &str,
        hub: &Image,
        app_version: &str,
    ) {
        let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/helm/chart");
        let chart = self.dir.join("source");
        let _ = fs::remove_dir_all(&chart);
        output(Command::new("cp").arg("-a").arg(small).arg(&chart));
        let mut values = fs::read_to_string(chart.join("values.yaml")).unwrap();
        for (name, image) in [
            ("example.org/hub", hub),
            ("example.org/proxy", &images.hub),
            ("example.org/awaiter", &images.hub),
        ] {
            let own = format!("{{name: {name}, tag: \"1\", pullPolicy: null}}");
            assert!(values.contains(&own), "{name} in {values}");
            values = values.replace(
                &own,
                &format!("{{name: {}, tag: \"{}\", pullPolicy: null}}", image.name, image.tag),
            );
        }
        let pause = "{name: registry.k8s.io/pause, tag: \"3.10\"}";
        assert!(values.contains(pause), "{values}");
        fs::write(chart.join("values.yaml"), values.replace(pause, &images.pause.values()))
            .unwrap();
        let about = fs::read_to_string(chart.join("Chart.yaml")).unwrap();
        fs::write(chart.join("Chart.yaml"), about.replace("6.1.1", app_version)).unwrap();
        let package = ["package", "--version", version, "--destination"];
        output(helm(settings).args(package).arg(&self.dir).arg(&chart));
        self.index(settings);
    }

    /// Calls `test` while version 0.1.0 of the small chart has another content.
    pub(crate) fn replaced(&self, settings: &Settings, images: &Images, test: impl FnOnce()) {
        let files = ["jupyterhub-0.1.0.tgz", "index.yaml"].map(|it| self.dir.join(it));
        let contents = files.clone().map(|it| fs::read(it).unwrap());
        self.package(settings, images, "0.1.0", &images.older_hub, "5.5.0");
        test();
        files.iter().zip(contents).for_each(|it| fs::write(it.0, it.1).unwrap());
    }

    fn index(&self, settings: &Settings) {
        output(helm(settings).args(["repo", "index"]).arg(&self.dir));
    }

    /// Returns a lock that names the repository and no archive yet.
    pub(crate) fn lock(&self) -> String {
        let Repository { url, name, .. } = self;
        format!(
            "repository: {url}\nname: {name}\nversion: 0.0.1\nappVersion: 6.1.1\nkubeVersion: null\n"
        )
    }
}

fn helm(settings: &Settings) -> Command {
    Command::new(settings.helms.join("helm3"))
}
