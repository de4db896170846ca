use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Layer, Make, Parent, PulledImage, Reason, Recipe, UNKNOWN_INPUTS, base_digest, find, local,
    on_base,
};
use crate::{
    image::{
        build_context::{BuildContext, Entry},
        engine_images::EngineImages,
        short_chain::{self, Published},
    },
    tools::{
        docker::{Docker, Image, ImageConfig, LABEL_INPUTS, LABEL_PARENT},
        image_name::{ImageId, Tag},
        platform::Platform,
    },
};

fn recipe(text: &str) -> Recipe {
    let entry = Entry::File { executable: false, bytes: text.as_bytes().to_vec().into() };
    let context = BuildContext { entries: BTreeMap::from([("x".into(), entry)]) };
    let parts = ("FROM x".to_owned(), context);
    super::recipe(Layer::Mission, "hello", &parts, Parent::None, Platform::Amd64, None, None)
}

/// Returns an id that consists of this digit.
fn id(digit: &str) -> ImageId {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

fn image(id: &str, inputs: &str, parent: &str) -> Image {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let id = self::id(id);
    Image {
        repo_tags: Some(vec![local("hello").tagged(&Tag::immutable(inputs, &id)).to_string()]),
        id,
        repo_digests: None,
        size: 0,
        created: "2026-11-22T10:00:00Z".to_owned(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config: ImageConfig {
            labels: Some(BTreeMap::from([
                label(LABEL_INPUTS, inputs),
                label(LABEL_PARENT, parent),
            ])),
            ..ImageConfig::default()
        },
    }
}

fn images<const N: usize>(all: [Image; N]) -> EngineImages {
    EngineImages::new(all.to_vec())
}

#[test]
fn nothing_to_do_only_when_inputs_and_parent_are_equal_and_present() {
    let recipe = recipe("1");
    let inputs = recipe.inputs.as_str();
    assert_eq!(find(&recipe, Some("p"), &EngineImages::default()), Err(Reason::NothingYet));
    assert_eq!(
        find(&recipe, Some("p"), &images([image("a", "other", "p")])),
        Err(Reason::InputsChanged)
    );
    assert_eq!(
        find(&recipe, Some("p"), &images([image("a", inputs, "q")])),
        Err(Reason::ParentChanged)
    );
    assert_eq!(find(&recipe, None, &images([image("a", inputs, "p")])), Err(Reason::ParentChanged));
    let images = images([image("a", inputs, "p"), image("b", inputs, "q")]);
    assert_eq!(find(&recipe, Some("p"), &images).map(|it| &it.id), Ok(&id("a")));
}

#[test]
fn an_image_that_inherited_our_labels_is_not_ours() {
    let recipe = recipe("1");
    let mut image = image("a", &recipe.inputs, "p");
    image.id = id("d");
    assert_eq!(find(&recipe, Some("p"), &images([image])), Err(Reason::NothingYet));
}

#[test]
fn the_inputs_digest_depends_on_the_context() {
    assert_eq!(recipe("1").inputs, recipe("1").inputs);
    assert_ne!(recipe("1").inputs, recipe("2").inputs);
}

/// Issue 10, defect 8: the reference's text was digested.
#[test]
fn a_remote_base_counts_by_its_digest() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let chain = |reference: &str| {
        let parts = ("FROM x".to_owned(), BuildContext { entries: BTreeMap::new() });
        let parent = Parent::Pulled(PulledImage::new(&reference.parse().unwrap()));
        let common =
            super::recipe(Layer::Common, "common", &parts, parent, Platform::Amd64, None, None);
        let own = Parent::Previous;
        let hello = super::recipe(
            Layer::Mission,
            "hello",
            &parts,
            own,
            Platform::Amd64,
            None,
            Some(&common),
        );
        vec![common, hello]
    };
    let inputs = |chain: &[Recipe]| chain.iter().map(|it| it.inputs.clone()).collect::<Vec<_>>();
    let mut base = image("c", "", "");
    base.repo_digests =
        Some(vec![format!("other@sha256:{}", "1".repeat(64)), format!("debian@{digest}")]);
    for tag in ["debian:13", "docker.io/library/debian:13", "docker.io/debian"] {
        let by_tag = chain(tag);
        assert_eq!(inputs(&by_tag), [UNKNOWN_INPUTS; 2]);
        let known = on_base(&by_tag, Some(&base));
        assert_eq!(inputs(&known), inputs(&chain(&format!("{tag}@{digest}"))));
        assert_eq!(base_digest(&known), Some(digest.clone()));
    }
    // The embedded base on a DEBIAN_IMAGE that is named by a tag.
    let embedded = chain("debian:13").into_iter().zip([Layer::Base, Layer::Common]);
    let embedded: Vec<Recipe> = embedded.map(|(it, layer)| Recipe { layer, ..it }).collect();
    assert_eq!(base_digest(&embedded).as_deref(), Some("local"));
    base.repo_digests = None;
    let known = on_base(&chain("mine"), Some(&base)).into_owned();
    assert_eq!(base_digest(&known), Some(base.id.to_string()));
}

/// Recipes are made of copies of contexts, and a notebook may have hundreds of megabytes.
#[test]
fn copies_of_a_context_share_the_bytes() {
    let recipe = recipe("1");
    let bytes = |it: &Recipe| match &it.context.entries[Path::new("x")] {
        Entry::File { bytes, .. } => Arc::as_ptr(bytes),
        Entry::Link { .. } => panic!("a file"),
    };
    let parts = ("FROM x".to_owned(), BuildContext::clone(&recipe.context));
    let again =
        super::recipe(Layer::Mission, "hello", &parts, Parent::None, Platform::Amd64, None, None);
    assert_eq!(bytes(&again), bytes(&recipe));
    assert_eq!(bytes(&again.clone()), bytes(&recipe));
}

/// An image on the engine needs none of those below, unless one of them would have to be built again.
#[test]
fn a_chain_begins_with_an_image_whose_parent_is_elsewhere() {
    let (below, own) = (recipe("1"), recipe("2"));
    let chain = [below.clone(), own.clone()];
    let parent = id("c").to_string();
    let alone = image("a", &own.inputs, &parent);
    let found = |all: &[Image]| {
        let all = EngineImages::new(all.to_vec());
        short_chain::standing(&chain, 1, &all).map(|it| it.id.clone())
    };
    assert_eq!(found(std::slice::from_ref(&alone)), Some(id("a")));
    assert_eq!(found(&[alone.clone(), image("c", &below.inputs, "")]), None);
    assert_eq!(found(&[alone.clone(), image("b", &below.inputs, "")]), None);
    assert_eq!(found(&[image("a", &own.inputs, "")]), None);
    assert_eq!(found(&[image("a", "other", &parent)]), None);
    assert_eq!(short_chain::standing(&chain, 0, &images([alone.clone()])), None);

    let short = short_chain::beginning_with(&chain, 1, &alone);
    assert_eq!((short.len(), &short[0].parent), (1, &Parent::Known(parent.clone())));
    assert_eq!(short[0].inputs, own.inputs);
    let docker = Docker::new("docker".into(), Path::new("/"));
    let reference = format!("r.example/hello@{}", id("d")).parse().unwrap();
    let published = Published { docker, reference, image: alone.clone() };
    let pulling = short_chain::pulling(&chain, 1, vec![published.clone()]);
    assert_eq!(pulling[0].make, Make::Pull(Box::new(published)));
    assert_eq!(find(&pulling[0], Some(&parent), &images([alone])).map(|it| &it.id), Ok(&id("a")));
    assert_eq!(short_chain::pulling(&chain, 1, Vec::new()), chain);
}
