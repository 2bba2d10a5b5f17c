import Graphs
import Operators
import Tensors

/// Where in the arena each planned value stands.
public struct MemoryPlan {
  /// Byte offset per value, or -1: memory of its own.
  public private(set) var offsets: [Int]
  public private(set) var arenaBytes = 0
  /// What the same values would take without reuse.
  public private(set) var unsharedBytes = 0

  /// Values that share memory from the first's making to the last's last use.
  private struct Group {
    var bytes = 0
    var begin = Int.max
    var end = -1
    var isPlanned = true
  }

  /// - Parameter types: types with known shapes; values without are left out.
  /// - Parameter steps: indices into the program's instructions, in order.
  init(_ program: Program, steps: [Int], types: [ValueType?], isConstant: (Int) -> Bool, outputs: [Int]) throws {
    let count = program.graph.values.count
    offsets = [Int](repeating: -1, count: count)
    var parent = Array(0..<count)
    func root(_ v: Int) -> Int {
      var v = v
      while parent[v] != v {
        parent[v] = parent[parent[v]]
        v = parent[v]
      }
      return v
    }
    var groups = [Group](repeating: Group(), count: count)
    var bytes = [Int](repeating: -1, count: count)
    for (v, type) in types.enumerated() {
      guard case .tensor(let e, let shape?)? = type, e != .string, let known = shape.known else { continue }
      bytes[v] = try e.byteCount(Checked.count(known))
    }
    var lastUse = [Int](repeating: -1, count: count)
    for (s, i) in steps.enumerated() {
      for v in program.instructions[i].inputs + program.instructions[i].captures where v >= 0 { lastUse[v] = s }
    }
    let isOutput = Set(outputs)
    let isInput = Set(program.graph.inputs.map(\.index) + program.graph.captures.map(\.inner.index))
    for (s, i) in steps.enumerated() {
      let instruction = program.instructions[i]
      for (o, v) in instruction.outputs.enumerated() where v >= 0 {
        var g = Group(bytes: max(bytes[v], 0), begin: s, end: max(s, lastUse[v]), isPlanned: bytes[v] >= 0 && !isOutput.contains(v))
        if o == 0, let from = Self.shared(instruction, v, s, types, lastUse) {
          if isConstant(from) || isInput.contains(from) {
            if case .view = instruction.definition.memory { g.isPlanned = false }
          } else {
            let r = root(from)
            // In place only over memory that nothing else of the group needs any more.
            if case .inPlace = instruction.definition.memory, groups[r].end > s || !groups[r].isPlanned || !g.isPlanned {
            } else {
              parent[v] = r
              groups[r].bytes = max(groups[r].bytes, g.bytes)
              groups[r].end = max(groups[r].end, g.end)
              groups[r].isPlanned = groups[r].isPlanned && g.isPlanned
              continue
            }
          }
        }
        groups[v] = g
      }
    }
    place(groups.indices.filter { groups[$0].end >= 0 && groups[$0].isPlanned && groups[$0].bytes > 0 }, groups, steps.count)
    for v in 0..<count where parent[v] != v && offsets[root(v)] >= 0 { offsets[v] = offsets[root(v)] }
  }

  /// The input whose memory the first output takes over, or nil.
  private static func shared(
    _ i: Program.Instruction, _ output: Int, _ step: Int, _ types: [ValueType?], _ lastUse: [Int]
  ) -> Int? {
    switch i.definition.memory {
    case .fresh: return nil
    case .view: return i.inputs.first.flatMap { $0 < 0 ? nil : $0 }
    case .inPlace(let candidates):
      return candidates.lazy.compactMap { $0 < i.inputs.count && i.inputs[$0] >= 0 ? i.inputs[$0] : nil }.first {
        lastUse[$0] == step && types[$0] != nil && types[$0] == types[output]
          && i.inputs.filter { [v = $0] in $0 == v }.count == 1
      }
    }
  }

  /// Greedy by size: the largest first, each in the lowest gap that is free during its life.
  private mutating func place(_ list: [Int], _ groups: [Group], _ stepCount: Int) {
    var alive = [[Int]](repeating: [], count: stepCount)
    var total = 0
    for g in list {
      total += groups[g].end - groups[g].begin + 1
      unsharedBytes += (groups[g].bytes + 63) & ~63
    }
    // Very long lives of very many values: planning would take longer than it saves.
    if total > 20_000_000 { return }
    for g in list.sorted(by: { (groups[$0].bytes, $1) > (groups[$1].bytes, $0) }) {
      let size = (groups[g].bytes + Allocator.padding + 63) & ~63
      var neighbours = Set<Int>()
      for s in groups[g].begin...groups[g].end { neighbours.formUnion(alive[s]) }
      var offset = 0
      for (begin, end) in neighbours.map({ (offsets[$0], offsets[$0] + (groups[$0].bytes + Allocator.padding + 63) & ~63) })
        .sorted(by: { $0.0 < $1.0 })
      {
        if begin - offset >= size { break }
        offset = max(offset, end)
      }
      offsets[g] = offset
      arenaBytes = max(arenaBytes, offset + size)
      for s in groups[g].begin...groups[g].end { alive[s].append(g) }
    }
  }
}
