//! Templates: `package_ready.<locale>.{subject.txt,txt,html}`, in minijinja's language (Jinja2).
//!
//! A file of the same name in `MAIL_TEMPLATES_DIR` replaces ours. Every template is rendered once at the start, with
//! made-up values: a mistake in it stops the start, not the first customer's mail. In `.html` every value is escaped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use secrecy::{ExposeSecret, SecretString};

use super::error::MailError;
use super::message::one_line;

const TEMPLATE_BYTES_MAX: u64 = 256 << 10;
const SUBJECT_CHARS_MAX: usize = 200;

/// What comes with the ledger.
const EMBEDDED: [(&str, &str); 6] = [
    ("package_ready.zh-CN.subject.txt", include_str!("templates/package_ready.zh-CN.subject.txt")),
    ("package_ready.zh-CN.txt", include_str!("templates/package_ready.zh-CN.txt")),
    ("package_ready.zh-CN.html", include_str!("templates/package_ready.zh-CN.html")),
    ("package_ready.en.subject.txt", include_str!("templates/package_ready.en.subject.txt")),
    ("package_ready.en.txt", include_str!("templates/package_ready.en.txt")),
    ("package_ready.en.html", include_str!("templates/package_ready.en.html")),
];

pub use aggregates::Locale;

/// What the mail about a bought package says.
#[derive(Clone)]
pub struct PackageReady<'a> {
    pub customer_name: &'a str,
    pub order_number: &'a str,
    pub package_name: &'a str,
    pub price: &'a str,
    pub daily_limit: &'a str,
    pub duration_days: u32,
    /// In the package's own time zone.
    pub starts_at: &'a str,
    pub ends_at: &'a str,
    pub time_zone: &'a str,
    pub api_key: &'a SecretString,
    /// Where the key is used.
    pub api_url: &'a str,
    pub dashboard_url: &'a str,
}

impl PackageReady<'_> {
    fn context(&self) -> Value {
        context! {
            customer_name => self.customer_name,
            order_number => self.order_number,
            package_name => self.package_name,
            price => self.price,
            daily_limit => self.daily_limit,
            duration_days => self.duration_days,
            starts_at => self.starts_at,
            ends_at => self.ends_at,
            time_zone => self.time_zone,
            api_key => self.api_key.expose_secret(),
            api_url => self.api_url.trim_end_matches('/'),
            dashboard_url => self.dashboard_url,
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// A template that cannot be used; one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("MAIL_TEMPLATES_DIR: {0} is not a folder that can be read")]
    Folder(PathBuf),
    #[error("mail template {0} cannot be read as UTF-8 text of at most {max} KiB", max = TEMPLATE_BYTES_MAX >> 10)]
    Unreadable(PathBuf),
    #[error("mail template {file}, line {line}: {what}")]
    Broken { file: String, line: usize, what: String },
    #[error("mail template {0} gives an empty text")]
    Empty(String),
}

/// Checked templates; clones share them.
#[derive(Clone)]
pub struct Templates(Arc<Environment<'static>>);

impl Templates {
    /// Ours, and those of `folder` in their place.
    ///
    /// # Errors
    /// Names the file that is broken.
    pub fn load(folder: Option<&Path>) -> Result<Self, TemplateError> {
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(TemplateError::Folder(folder.to_owned()));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // An error must not carry the values around it: one of them is a key.
        environment.set_debug(false);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        for (name, ours) in EMBEDDED {
            let (file, source) = match folder.map(|folder| folder.join(name)).filter(|path| path.exists()) {
                Some(path) => (path.display().to_string(), read(&path)?),
                None => (name.to_owned(), ours.to_owned()),
            };
            environment.add_template_owned(name, source).map_err(|error| broken(&file, &error))?;
            try_out(&environment, name, &file)?;
        }
        Ok(Self(Arc::new(environment)))
    }

    /// # Errors
    /// When a template fails for these values; names the file.
    pub fn package_ready(&self, locale: Locale, content: &PackageReady<'_>) -> Result<Rendered, MailError> {
        let context = content.context();
        let render = |ending: &str| {
            let file = format!("package_ready.{}.{ending}", locale.as_str());
            let rendered = self.0.get_template(&file).and_then(|template| template.render(&context));
            rendered.map_err(|_| MailError::Template { file })
        };
        let subject = one_line(&render("subject.txt")?, SUBJECT_CHARS_MAX);
        Ok(Rendered { subject, text: render("txt")?, html: render("html")? })
    }
}

fn read(path: &Path) -> Result<String, TemplateError> {
    let unreadable = || TemplateError::Unreadable(path.to_owned());
    let size = std::fs::metadata(path).map_err(|_| unreadable())?.len();
    if size > TEMPLATE_BYTES_MAX {
        return Err(unreadable());
    }
    std::fs::read_to_string(path).map_err(|_| unreadable())
}

/// Renders with made-up values.
fn try_out(environment: &Environment<'_>, name: &str, file: &str) -> Result<(), TemplateError> {
    let made_up = PackageReady {
        customer_name: "Example",
        order_number: "ORD20260105060000abcdef01",
        package_name: "Example",
        price: "30.00 CNY",
        daily_limit: "5.00",
        duration_days: 30,
        starts_at: "2026-01-05 14:00",
        ends_at: "2026-02-04 14:00",
        time_zone: "Asia/Shanghai",
        api_key: &SecretString::from("sk-example"),
        api_url: "http://localhost:3000",
        dashboard_url: "http://localhost:8080/dashboard",
    };
    let rendered = environment.get_template(name).and_then(|template| template.render(made_up.context()));
    if rendered.map_err(|error| broken(file, &error))?.trim().is_empty() {
        return Err(TemplateError::Empty(file.to_owned()));
    }
    Ok(())
}

fn broken(file: &str, error: &minijinja::Error) -> TemplateError {
    let what = error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    TemplateError::Broken { file: file.to_owned(), line: error.line().unwrap_or(1), what: one_line(&what, 300) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(key: &'a SecretString, name: &'a str) -> PackageReady<'a> {
        PackageReady {
            customer_name: name,
            order_number: "ORD20260105060000abcdef01",
            package_name: "基础套餐",
            price: "30.00 CNY",
            daily_limit: "5.00",
            duration_days: 30,
            starts_at: "2026-01-05 14:00",
            ends_at: "2026-02-04 14:00",
            time_zone: "Asia/Shanghai",
            api_key: key,
            api_url: "https://api.example.com/",
            dashboard_url: "https://ledger.example.com/dashboard",
        }
    }

    #[test]
    fn both_languages_say_everything_a_customer_needs() {
        let templates = Templates::load(None).unwrap();
        let key = SecretString::from("sk-0123456789");
        for (locale, words) in [
            (Locale::ZhCn, ["订单号", "套餐", "额度", "有效期", "API Key", "安全提示", "快速开始", "控制面板"]),
            (Locale::En, ["Order", "Package", "quota", "Valid", "API key", "Security", "Quick start", "ashboard"]),
        ] {
            let rendered = templates.package_ready(locale, &content(&key, "Wang")).unwrap();
            assert!(rendered.subject.contains("ORD20260105060000abcdef01"), "{}", rendered.subject);
            for part in [&rendered.text, &rendered.html] {
                for word in words {
                    assert!(part.contains(word), "{locale:?} lacks {word}: {part}");
                }
                for value in
                    ["ORD20260105060000abcdef01", "基础套餐", "5.00", "30", "sk-0123456789", "2026-02-04 14:00"]
                {
                    assert!(part.contains(value), "{locale:?} lacks {value}: {part}");
                }
            }
            assert!(rendered.text.contains("curl https://api.example.com/"), "{}", rendered.text);
            assert!(rendered.text.contains("https://ledger.example.com/dashboard"));
        }
    }

    #[test]
    fn a_name_is_text_and_never_html() {
        let key = SecretString::from("sk-0123456789");
        let rendered = Templates::load(None).unwrap();
        let rendered = rendered.package_ready(Locale::En, &content(&key, "<script>alert(1)</script>")).unwrap();
        assert!(!rendered.html.contains("<script>"));
        assert!(rendered.html.contains("&lt;script&gt;"));
        assert!(rendered.text.contains("<script>"));
    }

    #[test]
    fn a_folder_replaces_templates_file_by_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package_ready.en.subject.txt"), "Hello {{ customer_name }}\n").unwrap();
        let templates = Templates::load(Some(folder.path())).unwrap();
        let key = SecretString::from("sk-0123456789");
        let english = templates.package_ready(Locale::En, &content(&key, "Wang")).unwrap();
        assert_eq!(english.subject, "Hello Wang");
        assert!(english.text.contains("Quick start"));
        let chinese = templates.package_ready(Locale::ZhCn, &content(&key, "Wang")).unwrap();
        assert!(chinese.subject.contains("ORD"));
    }

    #[test]
    fn a_broken_template_is_refused_by_name_and_line() {
        for (source, line) in [("one\n{% if %}", 2), ("{{ no_such_value }}", 1), ("\n\n{{ api_key | nope }}", 3)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("package_ready.zh-CN.html");
            std::fs::write(&path, source).unwrap();
            let error = Templates::load(Some(folder.path())).err().unwrap().to_string();
            assert!(error.contains(&format!("{}, line {line}:", path.display())), "{source:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn what_is_no_text_or_no_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Templates::load(Some(&folder.path().join("none"))), Err(TemplateError::Folder(_))));
        std::fs::write(folder.path().join("package_ready.en.txt"), [0xff, 0xfe]).unwrap();
        assert!(matches!(Templates::load(Some(folder.path())), Err(TemplateError::Unreadable(_))));
        std::fs::write(folder.path().join("package_ready.en.txt"), "  \n").unwrap();
        assert!(matches!(Templates::load(Some(folder.path())), Err(TemplateError::Empty(_))));
    }
}
