//! Credentials, from where Docker and podman keep them.

use std::fs;

use ironkit_tests::{DockerRegistry, PASSWORD, RegistryOptions, Sandbox, USER, run};
use serde_json::json;

use super::{layout, push};

/// A credential helper in a folder of its own: the folder, for `PATH`.
fn helper(sandbox: &Sandbox, name: &str, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = sandbox.write(
        &format!("helpers/docker-credential-{name}"),
        format!("#!/bin/sh\n{script}\n"),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", file.parent().unwrap().display())
}

#[test]
fn logins_come_from_where_docker_and_podman_keep_them() {
    let sandbox = Sandbox::new();
    let options = RegistryOptions {
        tls: false,
        login: true,
    };
    let Some(registry) = DockerRegistry::start(&sandbox.path("registry"), options) else {
        return;
    };
    layout(&sandbox);
    let Some(()) = push(&sandbox, &registry, "org/multi:1") else {
        return;
    };
    let address = registry.address();
    let reference = format!("{address}/org/multi:1");
    let good = json!({ "auth": "dGVzdGVyOnNlc2FtZQ==" });
    let wrong = json!({ "auth": "dGVzdGVyOndyb25n" });
    let docker = "home/.docker/config.json";
    // What the helper is told is kept, to be looked at.
    let tells = format!(
        "read server; echo $server > asked; echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'"
    );
    let unknown = "echo 'credentials not found in native keychain'; exit 1".to_owned();
    let in_helper = json!({ "credHelpers": { &address: "test" } });
    for (name, file, config, script, expect) in [
        (
            "docker",
            docker,
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "with a scheme",
            docker,
            json!({ "auths": { format!("http://{address}/v2/"): good } }),
            "",
            Ok(()),
        ),
        (
            "podman",
            "home/.config/containers/auth.json",
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "podman's at run time",
            "run/containers/auth.json",
            json!({ "auths": { &address: good } }),
            "",
            Ok(()),
        ),
        (
            "the longer path",
            docker,
            json!({ "auths": { &address: wrong, format!("{address}/org"): good } }),
            "",
            Ok(()),
        ),
        (
            "a wrong password",
            docker,
            json!({ "auths": { &address: wrong } }),
            "",
            Err("refuses access"),
        ),
        ("a helper", docker, in_helper.clone(), tells.as_str(), Ok(())),
        (
            "a helper for all",
            docker,
            json!({ "auths": { &address: {} }, "credsStore": "test" }),
            &tells,
            Ok(()),
        ),
        (
            "a helper that knows nothing",
            docker,
            in_helper.clone(),
            &unknown,
            Err("refuses access"),
        ),
        (
            "a helper that fails",
            docker,
            in_helper.clone(),
            "echo locked; exit 1",
            Err("failed: locked"),
        ),
        (
            "a helper that talks",
            docker,
            in_helper.clone(),
            "echo hello",
            Err("something else than JSON"),
        ),
        (
            "a helper that is not there",
            docker,
            json!({ "credsStore": "gone" }),
            "",
            Err("docker-credential-gone"),
        ),
        (
            "a helper elsewhere",
            docker,
            json!({ "credsStore": "../x" }),
            "",
            Err("not the name of a credential helper"),
        ),
        (
            "a helper that hangs",
            docker,
            in_helper.clone(),
            "sleep 60",
            Err("did not answer within"),
        ),
        (
            "no file of docker's",
            docker,
            json!([{}, 7]),
            "",
            Err("config.json"),
        ),
    ] {
        for old in [
            docker,
            "home/.config/containers/auth.json",
            "run/containers/auth.json",
        ] {
            let _ = fs::remove_file(sandbox.path(old));
        }
        sandbox.write(file, config.to_string());
        let path = helper(&sandbox, "test", script);
        let mut command = sandbox.ironkit(["--cache", "other", "cache", "pull", &reference]);
        command
            .env("PATH", path)
            .env("XDG_RUNTIME_DIR", sandbox.path("run"));
        let start = std::time::Instant::now();
        let finished = run(&mut command);
        assert!(start.elapsed().as_secs() < 30, "{name}: {:?}", start.elapsed());
        match expect {
            Ok(()) => assert_eq!(finished.code, Some(0), "{name}: {finished}"),
            Err(text) => {
                assert_eq!(finished.code, Some(2), "{name}: {finished}");
                assert!(finished.stderr.contains(text), "{name}: {finished}");
            }
        }
        assert!(!finished.stderr.contains(PASSWORD), "{name}: {finished}");
        let _ = fs::remove_dir_all(sandbox.path("other"));
    }
    assert_eq!(fs::read_to_string(sandbox.path("asked")).unwrap().trim(), address);
}
