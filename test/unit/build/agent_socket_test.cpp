#include "build/agent_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "base/files.h"

namespace dlc::build {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(address.sun_path), path.size());
  return address;
}

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = address_of(path);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

/// Sends back what it gets, one connection after the other, until `connections` have ended.
class Echo {
 public:
  Echo(const std::string& path, int connections) : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const auto address = address_of(path);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::jthread([fd = listener_.get(), connections] {
      for (int i = 0; i < connections; ++i) {
        const UniqueFd client(::accept(fd, nullptr, nullptr));
        std::string buffer(4096, '\0');
        ssize_t count = 0;
        do {
          count = ::read(client.get(), buffer.data(), buffer.size());
        } while (count > 0 && ::send(client.get(), buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL) > 0);
      }
    });
  }

 private:
  UniqueFd listener_;
  std::jthread thread_;
};

class AgentSocketTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path(const char* name) const { return (directory_.path() / name).string(); }

  TemporaryDirectory directory_{std::filesystem::temp_directory_path(), "agent-"};
};

TEST_F(AgentSocketTest, PassesOnBothWays) {
  const Echo agent(path("agent"), 2);
  const AgentSocket socket(path("step"), path("agent"), 0640, ::getuid(), ::getgid());
  struct stat status{};
  ASSERT_EQ(::stat(path("step").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0640U);
  const std::string sent(1 << 20, 'x');
  for (int i = 0; i < 2; ++i) {
    const auto client = connect_to(path("step"));
    std::jthread writer([&] { write_full(client.get(), sent, "client"); });
    std::string buffer(1 << 16, '\0');
    std::size_t got = 0;
    while (got < sent.size()) {
      const auto count = ::read(client.get(), buffer.data(), buffer.size());
      ASSERT_GT(count, 0);
      got += static_cast<std::size_t>(count);
    }
  }
}

TEST_F(AgentSocketTest, AnAgentThatIsGoneEndsTheConnection) {
  const AgentSocket socket(path("step"), path("none"), 0600, ::getuid(), ::getgid());
  const auto client = connect_to(path("step"));
  char byte = 0;
  EXPECT_EQ(::read(client.get(), &byte, 1), 0);
}

TEST_F(AgentSocketTest, EndsWithAConnectionThatNobodyReads) {
  const Echo agent(path("agent"), 1);
  const AgentSocket socket(path("step"), path("agent"), 0600, ::getuid(), ::getgid());
  const auto client = connect_to(path("step"));
  const std::string sent(1 << 20, 'x');
  ASSERT_GT(::send(client.get(), sent.data(), sent.size(), MSG_DONTWAIT), 0);
  char byte = 0;
  ASSERT_EQ(::read(client.get(), &byte, 1), 1);  // all three are connected
}

TEST_F(AgentSocketTest, APathThatIsTooLong) {
  EXPECT_THROW(AgentSocket(std::string(200, 'p'), path("agent"), 0600, 0, 0), Error);
  EXPECT_THROW(AgentSocket(path("step"), std::string(200, 'p'), 0600, 0, 0), Error);
}

}  // namespace
}  // namespace dlc::build
