//! The crates and who depends on whom, as `cargo metadata` tells it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{Failed, cargo, read};

/// All packages of the lock file.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) licence: Option<String>,
    /// Where in the house it is, `adapters/web`; `None` for a package of others.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) features: Vec<String>,
    /// The folders of the workspace's packages that its manifest names, for any purpose.
    pub(crate) neighbours: Vec<PathBuf>,
    /// The ids of what ends up in a program that uses it: without what only its tests need.
    pub(crate) uses: Vec<String>,
}

impl Graph {
    /// The workspace at `root`.
    pub(crate) fn load(root: &Path) -> Result<Self, Failed> {
        let json = read(cargo(root).args(["metadata", "--format-version", "1", "--all-features"]))?;
        Self::parse(&json)
    }

    pub(crate) fn parse(json: &str) -> Result<Self, Failed> {
        let json: Value =
            serde_json::from_str(json).map_err(|e| Failed::new(format!("cargo metadata isn't readable: {e}")))?;
        let root = PathBuf::from(text(&json, "workspace_root")?);
        let uses = list(json.get("resolve").unwrap_or(&Value::Null), "nodes")
            .iter()
            .map(|node| Ok((text(node, "id")?.to_owned(), used_by(node)?)))
            .collect::<Result<HashMap<_, _>, Failed>>()?;
        let members: Vec<_> = list(&json, "workspace_members").iter().filter_map(Value::as_str).collect();
        let packages = list(&json, "packages")
            .iter()
            .map(|package| Package::parse(package, &root, &members, &uses))
            .collect::<Result<_, Failed>>()?;
        Ok(Self { packages, target_directory: PathBuf::from(text(&json, "target_directory")?) })
    }

    /// The workspace's own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.folder.is_some())
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }
}

impl Package {
    fn parse(json: &Value, root: &Path, members: &[&str], uses: &HashMap<String, Vec<String>>) -> Result<Self, Failed> {
        let id = text(json, "id")?.to_owned();
        let inside = |path: &Path| path.strip_prefix(root).map(Path::to_owned).ok();
        let folder = Path::new(text(json, "manifest_path")?).parent().and_then(inside);
        let paths = list(json, "dependencies").iter().filter_map(|d| d.get("path").and_then(Value::as_str));
        Ok(Self {
            name: text(json, "name")?.to_owned(),
            licence: json.get("license").and_then(Value::as_str).map(str::to_owned),
            folder: folder.filter(|_| members.contains(&id.as_str())),
            features: json
                .get("features")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|f| f.keys().cloned())
                .collect(),
            neighbours: paths.filter_map(|path| inside(Path::new(path))).collect(),
            uses: uses.get(&id).cloned().unwrap_or_default(),
            id,
        })
    }
}

/// The ids behind a node of the graph, without those that are there for tests alone.
fn used_by(node: &Value) -> Result<Vec<String>, Failed> {
    let for_tests = |kind: &Value| kind.get("kind").and_then(Value::as_str) == Some("dev");
    list(node, "deps")
        .iter()
        .filter(|dependency| !list(dependency, "dep_kinds").iter().all(for_tests))
        .map(|dependency| Ok(text(dependency, "pkg")?.to_owned()))
        .collect()
}

fn text<'a>(json: &'a Value, key: &str) -> Result<&'a str, Failed> {
    json.get(key).and_then(Value::as_str).ok_or_else(|| Failed::new(format!("cargo metadata has no text at {key}")))
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{
      "workspace_root": "/x", "target_directory": "/x/target", "workspace_members": ["core#1"],
      "packages": [
        {"id": "core#1", "name": "doorwarden-core", "license": "MIT", "manifest_path": "/x/core/Cargo.toml",
         "features": {"testing": []},
         "dependencies": [{"name": "doorwarden-core", "path": "/x/core", "kind": "dev"}, {"name": "a", "path": null}]},
        {"id": "a#2", "name": "a", "license": null, "manifest_path": "/elsewhere/a/Cargo.toml", "features": {}, "dependencies": []}],
      "resolve": {"nodes": [
        {"id": "core#1", "deps": [
          {"pkg": "a#2", "dep_kinds": [{"kind": "dev"}, {"kind": null}]},
          {"pkg": "core#1", "dep_kinds": [{"kind": "dev"}]}]},
        {"id": "a#2", "deps": []}]}}"#;

    #[test]
    fn members_and_what_they_use_are_read() {
        let graph = Graph::parse(JSON).unwrap();
        assert_eq!(graph.target_directory, Path::new("/x/target"));
        let [core] = &graph.members().collect::<Vec<_>>()[..] else { panic!("one member") };
        assert_eq!(core.folder.as_deref(), Some(Path::new("core")));
        assert_eq!(core.neighbours, [Path::new("core")]);
        assert_eq!((&core.features[..], &core.uses[..]), (&["testing".to_owned()][..], &["a#2".to_owned()][..]));
        assert_eq!(graph.by_id("a#2").unwrap().licence, None);
    }

    #[test]
    fn something_else_is_refused() {
        assert_eq!(Graph::parse("{}").unwrap_err().to_string(), "cargo metadata has no text at workspace_root");
        assert!(Graph::parse("x").unwrap_err().to_string().starts_with("cargo metadata isn't readable: "));
    }
}
