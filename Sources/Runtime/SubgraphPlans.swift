import Operators
import Tensors

/// The plans of the subgraphs that a session runs: bodies of loops, branches. A plan costs about as much as a run without
/// one, so a subgraph gets it when it is about to run a second time with the same shapes: a loop whose state grows runs
/// without.
final class SubgraphPlans {
  private struct Entry {
    let signature: [Int]
    var state = State.seen
  }
  private enum State {
    case seen
    case planned(Plan, arena: Buffer?)
    /// No plan can be made: what is wrong with a branch that isn't taken is nobody's business.
    case refused
  }
  private var entries: [ObjectIdentifier: Entry] = [:]

  /// The plan for these inputs and captured values, and the memory for its steps' outputs; nil: run without.
  func plan(
    for program: Program, inputs: [Value], captured: [Value?], _ environment: RunEnvironment
  ) throws -> (plan: Plan, planned: [[Tensor?]])? {
    var signature: [Int] = []
    for value in inputs.lazy.map(Optional.init) + captured {
      guard case .tensor(let t)? = value else { return nil }
      signature.append(Int(t.type.rawValue))
      signature.append(t.rank)
      signature.append(contentsOf: t.shape)
    }
    let id = ObjectIdentifier(program)
    guard let entry = entries[id], entry.signature == signature else {
      entries[id] = Entry(signature: signature)
      return nil
    }
    switch entry.state {
    case .refused: return nil
    case .planned(let plan, let arena): return (plan, try plan.plannedOutputs(in: arena))
    case .seen:
      guard
        let plan = try? Plan(
          program, inputTypes: inputs.map(\.type), captured: captured.map { $0?.type },
          outputs: program.graph.outputs.map(\.index), environment: environment)
      else {
        entries[id]?.state = .refused
        return nil
      }
      let arena = plan.memory.arenaBytes > 0 ? try environment.allocator.allocate(plan.memory.arenaBytes) : nil
      entries[id]?.state = .planned(plan, arena: arena)
      return (plan, try plan.plannedOutputs(in: arena))
    }
  }
}
