#include "tests/support/certificates.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace crossfade::test {

Certificates::Certificates() {
  folder_ = (std::filesystem::temp_directory_path() / "crossfade_tls_XXXXXX").string();
  if (::mkdtemp(folder_.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  MakeAuthority("ca");
  MakeAuthority("other");
}

Certificates::~Certificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Certificates::Run(const std::string& command) const {
  const std::string line = "cd '" + folder_ + "' && openssl " + command + " > openssl.log 2>&1";
  if (std::system(line.c_str()) == 0) return;
  std::fprintf(stderr, "failed: openssl %s\n", command.c_str());
  std::abort();
}

void Certificates::MakeAuthority(const std::string& name) {
  Run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=" +
      name + " -addext basicConstraints=critical,CA:true -keyout " + name + ".key -out " + name +
      ".pem");
  // What `openssl ca` wants, which alone can make a certificate of the past.
  std::ofstream(Path(name + ".cnf"))
      << "[ca]\ndefault_ca=own\n[own]\ndir=" << folder_ << "\nnew_certs_dir=$dir\n"
      << "database=$dir/" << name << ".db\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
      << "unique_subject=no\n[any]\ncommonName=supplied\n";
  std::ofstream(Path(name + ".db"));
}

void Certificates::Issue(const std::string& name, const Subject& subject) {
  Run("req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + name +
      " -keyout " + name + ".key.new -out " + name + ".csr");
  std::ofstream(Path(name + ".ext")) << "subjectAltName=" << subject.names << "\n";
  const std::string dates =
      subject.expired ? " -startdate 20200101000000Z -enddate 20200201000000Z" : " -days 30";
  Run("ca -batch -notext -config " + subject.authority + ".cnf -cert " + subject.authority +
      ".pem -keyfile " + subject.authority + ".key" + dates + " -extfile " + name + ".ext -in " +
      name + ".csr -out " + name + ".pem.new");
  std::filesystem::rename(Path(name + ".key.new"), Path(name + ".key"));
  std::filesystem::rename(Path(name + ".pem.new"), Path(name + ".pem"));
}

}  // namespace crossfade::test
