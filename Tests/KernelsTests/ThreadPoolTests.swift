import Glibc
import Testing

@testable import Kernels

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 4, 7]) func runsEveryIndexOnce(width: Int) throws {
    let pool = try ThreadPool(width: width)
    #expect(pool.width == width)
    for count in [0, 1, 2, 3, 100, 1000] {
      let seen = UnsafeMutableBufferPointer<Int>.allocate(capacity: max(count, 1))
      defer { seen.deallocate() }
      seen.initialize(repeating: 0)
      pool.parallel(count) { index, worker in
        seen[index] += worker >= 0 && worker < width ? 1 : 100
      }
      #expect(seen.prefix(count).allSatisfy { $0 == 1 })
    }
  }

  @Test func workersAreNeverShared() throws {
    let pool = try ThreadPool(width: 4)
    let busy = UnsafeMutablePointer<Int>.allocate(capacity: 4), clashes = UnsafeMutablePointer<Int>.allocate(capacity: 4)
    defer { busy.deallocate(); clashes.deallocate() }
    busy.initialize(repeating: 0, count: 4)
    clashes.initialize(repeating: 0, count: 4)
    for _ in 0..<200 {
      pool.parallel(16) { _, worker in
        if busy[worker] != 0 { clashes[worker] += 1 }
        busy[worker] = 1
        usleep(1)
        busy[worker] = 0
      }
    }
    #expect((0..<4).allSatisfy { clashes[$0] == 0 })
  }

  @Test func nestedRegionsRunOnTheirWorker() throws {
    let pool = try ThreadPool(width: 3)
    let counts = UnsafeMutablePointer<Int>.allocate(capacity: 30)
    defer { counts.deallocate() }
    counts.initialize(repeating: 0, count: 30)
    pool.parallel(30) { index, outer in
      pool.parallel(10) { _, inner in counts[index] += inner == outer ? 1 : 100 }
    }
    #expect((0..<30).allSatisfy { counts[$0] == 10 })
  }

  @Test func hostsOwnPoolRunsEverything() throws {
    let pool = try ThreadPool(
      width: 2,
      hook: { userdata, count, task, context in
        userdata?.assumingMemoryBound(to: Int.self).pointee += 1
        for i in 0..<count { task?(context, count - 1 - i, i % 2) }
      }, userdata: regions)
    defer { regions.deallocate() }
    regions.pointee = 0
    var sum = 0
    pool.parallel(10) { index, _ in sum += index }
    #expect(sum == 45)
    #expect(regions.pointee == 1)
  }
  let regions = UnsafeMutablePointer<Int>.allocate(capacity: 1)

  @Test func rangesCoverEverythingOnce() throws {
    let pool = try ThreadPool(width: 3)
    for (count, grain) in [(0, 1), (1, 10), (10, 3), (1000, 7), (1001, 1)] {
      let seen = UnsafeMutableBufferPointer<Int>.allocate(capacity: max(count, 1))
      defer { seen.deallocate() }
      seen.initialize(repeating: 0)
      pool.parallel(over: count, grain: grain) { for i in $0 { seen[i] += 1 } }
      #expect(seen.prefix(count).allSatisfy { $0 == 1 })
    }
  }
}
