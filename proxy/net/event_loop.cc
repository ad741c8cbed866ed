#include "proxy/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/check.h"

namespace crossfade::proxy {

struct EventLoop::Events {
  epoll_event list[kEventsPerTurn];
};

EventLoop::EventLoop() : events_(new Events) {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CROSSFADE_CHECK(epoll_ >= 0 && wake_ >= 0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  CROSSFADE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0);
}

EventLoop::~EventLoop() {
  close(epoll_);
  close(wake_);
  delete events_;
}

void EventLoop::Add(int fd, Pollable* target) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  event.data.ptr = target;
  CROSSFADE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void EventLoop::AddListener(int fd, Pollable* target) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = target;
  CROSSFADE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void EventLoop::WatchWrites(int fd, Pollable* target, bool watch) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  if (watch) event.events |= EPOLLOUT;
  event.data.ptr = target;
  CROSSFADE_CHECK(epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::Remove(int fd, Pollable* target) {
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = next_; i < ready_; ++i) {
    if (events_->list[i].data.ptr == target) events_->list[i].events = 0;
  }
}

void EventLoop::Wait(int timeout_ms) {
  ++turn_;
  ready_ = epoll_wait(epoll_, events_->list, kEventsPerTurn, timeout_ms);
  next_ = 0;
}

void EventLoop::Dispatch() {
  for (next_ = 0; next_ < ready_;) {
    const epoll_event event = events_->list[next_++];
    if (event.events == 0) continue;
    if (event.data.ptr == nullptr) {
      uint64_t count;
      [[maybe_unused]] const ssize_t n = read(wake_, &count, sizeof count);
      continue;
    }
    Readiness ready;
    ready.readable = (event.events & (EPOLLIN | EPOLLRDHUP)) != 0;
    ready.writable = (event.events & EPOLLOUT) != 0;
    ready.failed = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    ready.peer_closed = (event.events & (EPOLLRDHUP | EPOLLHUP)) != 0;
    static_cast<Pollable*>(event.data.ptr)->OnEvents(ready);
  }
  ready_ = 0;
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof one);
}

}  // namespace crossfade::proxy
