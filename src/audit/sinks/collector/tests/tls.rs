//! Whom the collector's client trusts.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
};

use super::*;

/// Answers every request over TLS; says where, and the authority that vouches for it.
fn server() -> (SocketAddr, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            // A client that trusts somebody else ends the handshake here.
            if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).unwrap();
            }
        }
    });
    (address, issuer.pem())
}

fn post(address: SocketAddr, ca_file: PathBuf) -> Result<(), String> {
    let runtime = runtime();
    let url = format!("https://{address}/").parse().unwrap();
    let handle = runtime.handle().clone();
    let mut tried = Tried {
        collector: Collector::new(url, Some(&ca_file), "text/plain", None, handle),
        _runtime: runtime,
    };
    tried.post(LONG)
}

#[test]
fn the_authorities_of_the_file_are_trusted_and_no_others() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    let (address, authority) = server();
    std::fs::write(&file, authority).unwrap();
    assert_eq!(post(address, file.clone()), Ok(()));
    let (other, _) = server();
    assert!(
        post(other, file)
            .unwrap_err()
            .contains("the TLS handshake failed")
    );
}

#[test]
fn clear_text_where_tls_is_meant_is_told_as_that() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, server().1).unwrap();
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = plain.accept().unwrap().0;
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    });
    assert!(
        post(address, file)
            .unwrap_err()
            .contains("the TLS handshake failed")
    );
}

#[test]
fn a_file_without_authorities_is_told_and_tried_again() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ca.pem");
    let (address, authority) = server();
    let runtime = runtime();
    let url = format!("https://{address}/").parse().unwrap();
    let handle = runtime.handle().clone();
    let mut tried = Tried {
        collector: Collector::new(url, Some(&file), "text/plain", None, handle),
        _runtime: runtime,
    };
    assert!(tried.post(LONG).unwrap_err().ends_with("cannot be read"));
    std::fs::write(&file, "no certificate").unwrap();
    assert!(
        tried
            .post(LONG)
            .unwrap_err()
            .ends_with("holds no PEM certificate")
    );
    std::fs::write(&file, authority).unwrap();
    assert_eq!(tried.post(LONG), Ok(()));
}
