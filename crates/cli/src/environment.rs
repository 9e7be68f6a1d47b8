//! What the environment says: the only place that reads it, beside `main`.

use std::env;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use ironkit_oci::http::Proxies;
use ironkit_oci::{Engine, EngineLimits, Mirror, Platform, RegistryOptions};
use ironkit_package::{Machine, Naming};
use ironkit_pipeline::{Context, Error, SbomOptions};

use crate::args::{Global, NamingArguments, SbomArguments};

/// The machine as the pipeline needs to know it.
///
/// # Errors
/// A mirror or credentials file that cannot be understood.
pub fn context(global: &Global) -> Result<Context, Error> {
    let home = PathBuf::from(variable("HOME").unwrap_or_default());
    let cache = match (&global.cache, variable("LINUXKIT_CACHE")) {
        (Some(cache), _) => cache.clone(),
        (None, Some(cache)) => PathBuf::from(cache),
        (None, None) => home.join(".linuxkit/cache"),
    };
    let apt = PathBuf::from("/etc/apt");
    let keyrings = PathBuf::from("/usr/share/keyrings");
    Ok(Context {
        temporary: std::env::temp_dir(),
        cache,
        waiting: crate::console::waiting,
        working_directory: env::current_dir().map_err(|source| Error::Read {
            path: ".".into(),
            source,
        })?,
        registry: registry(global, &home)?,
        home,
        packages: Machine {
            mirror: variable("IRONKIT_DEBIAN_MIRROR"),
            apt,
            keyrings,
        },
        time: source_date_epoch()?.unwrap_or(ironkit_rootfs::TIME),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    })
}

/// Where programs are.
pub fn path() -> std::ffi::OsString {
    env::var_os("PATH").unwrap_or_default()
}

/// What runs machines when no argument says it.
///
/// # Errors
/// An accelerator that there is not.
pub fn accelerator() -> Result<ironkit_vm::Accel, ironkit_vm::SpellingError> {
    variable("LINUXKIT_QEMU_ACCEL").map_or(Ok(ironkit_vm::Accel::Auto), |name| name.parse())
}

/// The container engine of this machine: where `DOCKER_HOST` says, or where Docker usually is.
pub fn engine() -> Engine {
    Engine::new(variable("DOCKER_HOST"), EngineLimits::default())
}

/// The platform of images: what was asked for, or this machine's.
///
/// # Errors
/// An architecture that is not one of those IronKit can build for.
pub fn platform(arch: Option<&str>) -> Result<Platform, Error> {
    let arch = match arch.unwrap_or(env::consts::ARCH) {
        "x86_64" | "amd64" => "amd64",
        "aarch64" | "arm64" => "arm64",
        "riscv64" => "riscv64",
        other => {
            return Err(Error::Usage {
                message: format!("`{other}` is not an architecture"),
                hint: "amd64, arm64 and riscv64 are".to_owned(),
            });
        }
    };
    Ok(Platform::linux(arch))
}

/// What arguments and environment say about the name of a component's image: `--org` counts more than `--dev`, and that
/// more than `LINUXKIT_PKG_ORG`.
///
/// # Errors
/// `--dev` where nobody is logged in.
pub fn naming(arguments: &NamingArguments) -> Result<Naming, Error> {
    let user = match (arguments.dev && arguments.org.is_none(), variable("USER")) {
        (true, None) => {
            return Err(Error::Usage {
                message: "--dev makes $USER the organisation, and it is not set".to_owned(),
                hint: "say the organisation with --org".to_owned(),
            });
        }
        (true, user) => user,
        (false, _) => None,
    };
    let org = arguments.org.clone().or(user);
    let hash = arguments.hash.clone();
    Ok(Naming {
        file: (arguments.build_yml != "build.yml").then(|| arguments.build_yml.clone()),
        org: org.or_else(|| variable("LINUXKIT_PKG_ORG")),
        tag: arguments.tag.clone(),
        hash: hash.or_else(|| arguments.dev.then(|| "dev".to_owned())),
        commit: (arguments.hash_commit != "HEAD").then(|| arguments.hash_commit.clone()),
        hash_path: arguments.hash_path.clone(),
        force_dirty: arguments.force_dirty,
    })
}

/// Which SBOMs are asked for, with the time that they have.
///
/// # Errors
/// A format that is not known, or a `SOURCE_DATE_EPOCH` that is no number.
pub fn sbom(arguments: &SbomArguments) -> Result<Option<SbomOptions>, Error> {
    if arguments.no_sbom {
        return Ok(None);
    }
    let mut formats = Vec::new();
    for name in &arguments.sbom_format {
        let format = name.parse()?;
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    let now = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.ok().and_then(|since| i64::try_from(since.as_secs()).ok())
    };
    let created = match (source_date_epoch()?, arguments.sbom_current_time) {
        (Some(time), _) => time,
        (None, true) => now().unwrap_or(ironkit_rootfs::TIME),
        (None, false) => ironkit_rootfs::TIME,
    };
    Ok(Some(SbomOptions {
        formats,
        output: arguments.sbom_output.clone(),
        created,
    }))
}

/// The time that stands for now in what is built, in seconds since 1970 (reproducible-builds.org/specs/source-date-epoch).
///
/// # Errors
/// A value that is no number.
pub fn source_date_epoch() -> Result<Option<i64>, Error> {
    let Some(text) = variable("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    match text.parse::<i64>() {
        Ok(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(Error::Usage {
            message: format!("SOURCE_DATE_EPOCH is `{text}`, which is not a time"),
            hint: "it is a number of seconds since 1970: date +%s".to_owned(),
        }),
    }
}

fn registry(global: &Global, home: &std::path::Path) -> Result<RegistryOptions, Error> {
    let mut options = RegistryOptions::default();
    options.http.extra_roots.clone_from(&global.cert_file);
    options.http.proxies = proxies();
    let from_environment = variable("LINUXKIT_MIRROR").unwrap_or_default();
    let given = from_environment
        .split([',', ' '])
        .filter(|mirror| !mirror.is_empty())
        .map(str::to_owned);
    options.mirrors = given
        .chain(global.mirror.iter().cloned())
        .map(|text| mirror(&text))
        .collect::<Result<_, _>>()?;
    let docker = variable("DOCKER_CONFIG")
        .map_or_else(|| home.join(".docker"), PathBuf::from)
        .join("config.json");
    let podman = variable("REGISTRY_AUTH_FILE").map(PathBuf::from);
    let podman = podman
        .or_else(|| variable("XDG_RUNTIME_DIR").map(|run| PathBuf::from(run).join("containers/auth.json")));
    // Docker's file counts before podman's, as in LinuxKit; in each, what is said for the longest path.
    let home = home.join(".config/containers/auth.json");
    for file in [docker]
        .into_iter()
        .chain(podman)
        .chain([home])
        .filter(|file| file.exists())
    {
        options.read_docker_config(&file)?;
    }
    Ok(options)
}

/// `HTTP_PROXY` and its like. The lower case counts first, as in curl.
fn proxies() -> Proxies {
    let either = |names: [&str; 2]| names.into_iter().find_map(variable);
    let all = either(["all_proxy", "ALL_PROXY"]);
    let except = either(["no_proxy", "NO_PROXY"]).unwrap_or_default();
    Proxies {
        http: either(["http_proxy", "HTTP_PROXY"]).or_else(|| all.clone()),
        https: either(["https_proxy", "HTTPS_PROXY"]).or(all),
        except: except
            .split([',', ' '])
            .filter(|rule| !rule.is_empty())
            .map(str::to_owned)
            .collect(),
    }
}

/// `[REGISTRY=]URL`.
fn mirror(text: &str) -> Result<Mirror, Error> {
    let (registry, url) = match text.split_once('=') {
        Some((registry, url)) => (Some(registry.to_owned()), url),
        None => (None, text),
    };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Error::Usage {
            message: format!("`{text}` is not a mirror: its address has no scheme"),
            hint: "write it as https://HOST or REGISTRY=https://HOST".to_owned(),
        });
    }
    Ok(Mirror {
        registry,
        url: url.to_owned(),
    })
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
