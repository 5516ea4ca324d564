//! Python with the packages that a test needs, in an environment of its own below target/.

use std::path::{Path, PathBuf};

use crate::command::{Failed, program, run};
use crate::needs::{apt_install, in_path};

/// The Python of the environment `name`, which has what the file `requirements` (a path in the tree, each package with
/// its version) lists. It is made where it is missing, and made anew where the list has changed.
pub(crate) fn environment(root: &Path, name: &str, requirements: &str) -> Result<PathBuf, Failed> {
    let folder = root.join("target/xtask").join(name);
    let (python, installed) = (folder.join("bin/python"), folder.join("installed.txt"));
    let wanted = read(&root.join(requirements))?;
    if python.is_file() && read(&installed).is_ok_and(|list| list == wanted) {
        return Ok(python);
    }
    if in_path("python3").is_none() {
        apt_install(root, &["python3", "python3-venv"], "install Python 3.11 or later with venv")?;
    }
    let make = || run(program("python3", root).args(["-m", "venv", "--clear"]).arg(&folder));
    if make().is_err() {
        // Debian's Python comes without it.
        apt_install(root, &["python3-venv"], "install Python's venv")?;
        make()?;
    }
    let pip = &mut program(&python, root);
    run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]))?;
    std::fs::write(&installed, wanted)
        .map_err(|e| Failed::new(format!("{} can't be written: {e}", installed.display())))?;
    Ok(python)
}

fn read(file: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(file).map_err(|e| Failed::new(format!("{} can't be read: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_that_has_what_is_listed_is_left_as_it_is() {
        let root = std::env::temp_dir().join(format!("doorwarden-xtask-python-{}", std::process::id()));
        let folder = root.join("target/xtask/some");
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        std::fs::write(root.join("list.txt"), "some==1.0\n").unwrap();
        std::fs::write(folder.join("bin/python"), "").unwrap();
        std::fs::write(folder.join("installed.txt"), "some==1.0\n").unwrap();
        assert_eq!(environment(&root, "some", "list.txt"), Ok(folder.join("bin/python")));
        let missing = environment(&root, "some", "nowhere.txt").unwrap_err().to_string();
        assert!(missing.contains("nowhere.txt can't be read"), "{missing}");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
