// Certificates: a folder of certificates for tests, made with the openssl command:
// an authority (ca.pem), another (other.pem), and certificates signed by the
// first. Files go away with the object. Not thread-safe; a failure to make one
// aborts.
#pragma once

#include <string>

namespace crossfade::test {

class Certificates {
 public:
  Certificates();
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string Path(const std::string& file) const { return folder_ + "/" + file; }
  const std::string& folder() const { return folder_; }

  struct Subject {
    std::string names = "DNS:localhost,IP:127.0.0.1";  // subjectAltName
    std::string authority = "ca";
    bool expired = false;
  };
  // NAME.pem and NAME.key, replaced if there.
  void Issue(const std::string& name, const Subject& subject);
  void Issue(const std::string& name) { Issue(name, Subject()); }

 private:
  void MakeAuthority(const std::string& name);
  void Run(const std::string& command) const;

  std::string folder_;
};

}  // namespace crossfade::test
