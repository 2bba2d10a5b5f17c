import Graphs
import Operators
import Tensors

/// A program made concrete for one set of input shapes and one choice of outputs: which instructions run, what is known
/// in advance, where in memory everything stands. Made once per signature and kept.
public final class Plan {
  struct Step {
    let instruction: Program.Instruction
    /// Values that nobody uses after this step.
    let releases: [Int]
  }

  let program: Program
  let steps: [Step]
  /// Values before the first step: constants, and what the shapes alone tell.
  let initial: [Value?]
  public let memory: MemoryPlan
  public let types: [ValueType?]
  let outputs: [Int]
  /// Per step, the memory that is ready for its outputs; over the arena given last.
  private var planned: [[Tensor?]] = []
  private var arena: Buffer?

  /// Results of at most this many bytes are computed ahead when they depend on shapes and constants only.
  private static let foldLimit = 1 << 16

  /// - Parameter outputs: values of the graph that are asked for.
  init(
    _ program: Program, inputTypes: [ValueType?], captured: [ValueType?] = [], outputs: [Int], environment: RunEnvironment
  ) throws {
    self.program = program
    self.outputs = outputs
    let found = try Inference(foldLimit: Self.foldLimit, environment: environment)
      .run(program.graph, inputs: inputTypes, captured: captured)
    types = found.types
    initial = found.constants.map { $0.map(Value.tensor) }

    var isNeeded = [Bool](repeating: false, count: program.graph.values.count)
    for v in outputs { isNeeded[v] = true }
    var order: [Int] = []
    for (i, instruction) in program.instructions.enumerated().reversed() {
      guard instruction.outputs.contains(where: { $0 >= 0 && isNeeded[$0] && found.constants[$0] == nil }) else { continue }
      order.append(i)
      for v in instruction.inputs + instruction.captures where v >= 0 { isNeeded[v] = true }
    }
    order.reverse()
    let releases = Program.lastUses(program.instructions, order, outputs: outputs, count: program.graph.values.count)
    steps = order.enumerated().map { Step(instruction: program.instructions[$1], releases: releases[$0]) }
    memory = try MemoryPlan(
      program, steps: order, types: found.types, isConstant: { found.constants[$0] != nil }, outputs: outputs)
  }

  /// Memory for each step's outputs. The arena must have `memory.arenaBytes`.
  func plannedOutputs(in arena: Buffer?) throws -> [[Tensor?]] {
    if let known = self.arena, let arena, known === arena { return planned }
    guard let arena else { return steps.map { _ in [] } }
    planned = try steps.map { step in
      try step.instruction.outputs.map { v in
        guard v >= 0, memory.offsets[v] >= 0, case .tensor(let e, let shape?)? = types[v], let known = shape.known else {
          return nil
        }
        let slice = Buffer(
          borrowing: arena.base + memory.offsets[v], byteCount: try e.byteCount(Checked.count(known)), isTransient: true,
          release: { withExtendedLifetime(arena) {} })
        return try Tensor(e, known, buffer: slice)
      }
    }
    self.arena = arena
    return planned
  }
}
