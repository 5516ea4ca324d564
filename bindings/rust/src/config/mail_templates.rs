//! The folder of `mail.templates`: a host's own texts of mails.

use std::fs;
use std::path::Path;

use doorwarden_core::mail::{MailTemplates, TemplateProblem};

use super::{Configuration, ConfigurationError, ConfigurationProblem};

/// More files than there are templates are never read.
const MOST_FILES: usize = 1_000;

impl Configuration {
    /// The built-in templates, and those of the folder `mail.templates` instead where it has them; each of these was
    /// tried on examples.
    ///
    /// # Errors
    /// Every problem of every file: its name, its syntax, a variable that it can't have, what the mail lacks.
    pub fn mail_templates(&self) -> Result<MailTemplates, ConfigurationError> {
        let Some(folder) = self.mail_templates_folder() else { return Ok(MailTemplates::default()) };
        let files = read(&folder).map_err(|problem| ConfigurationError::new(vec![problem]))?;
        MailTemplates::replacing(files).map_err(|problems| {
            ConfigurationError::new(problems.into_iter().map(|problem| located(&folder, problem)).collect())
        })
    }
}

/// Every file but hidden ones: a misspelt name is told, not passed over.
fn read(folder: &Path) -> Result<Vec<(String, String)>, ConfigurationProblem> {
    let broken = |place: &Path, source: std::io::Error| {
        let says = format!("the mail template can't be read: {source}");
        ConfigurationProblem { file: place.display().to_string(), line: None, key: None, seen: None, says }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| broken(folder, source))?.take(MOST_FILES) {
        let path = entry.map_err(|source| broken(folder, source))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.starts_with('.') {
            let source = fs::read_to_string(&path).map_err(|source| broken(&path, source))?;
            files.push((name, source));
        }
    }
    files.sort();
    Ok(files)
}

fn located(folder: &Path, problem: TemplateProblem) -> ConfigurationProblem {
    let file = folder.join(&problem.file).display().to_string();
    ConfigurationProblem { file, line: problem.line, key: None, seen: None, says: problem.says }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(templates: &[(&str, &str)]) -> Result<Configuration, ConfigurationError> {
        let scratch = tempfile::tempdir().unwrap();
        let (file, folder) = (scratch.path().join("auth.toml"), scratch.path().join("mails"));
        fs::write(&file, "[mail]\ntemplates = \"mails\"\n").unwrap();
        fs::create_dir(&folder).unwrap();
        for (name, source) in templates {
            fs::write(folder.join(name), source).unwrap();
        }
        Configuration::load(file)
    }

    #[test]
    fn a_folders_templates_are_tried_when_the_file_is_read() {
        let good = "{% extends layout %}{% block subject %}Hi{% endblock %}{% block body %}{{ at }}{% endblock %}";
        assert!(load(&[("totp-reset.en.jinja", good), (".draft", "{{")]).is_ok());
        let error = load(&[("totp-reset.en.jinja", "{% extends layout %}\n{{ name }}")]).unwrap_err().to_string();
        assert!(error.contains("mails/totp-reset.en.jinja:2: unknown variable name: allowed is "), "{error}");
        let error = load(&[("totp-rest.en.jinja", good)]).unwrap_err().to_string();
        assert!(error.contains("mails/totp-rest.en.jinja: no such template: allowed is "), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("auth.toml");
        fs::write(&file, "[mail]\ntemplates = \"mails\"\n").unwrap();
        let error = Configuration::load(file).unwrap_err().to_string();
        assert!(error.contains("mails: the mail template can't be read: "), "{error}");
    }
}
