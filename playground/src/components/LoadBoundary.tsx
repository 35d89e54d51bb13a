import { Component, type ReactNode } from "react";

/** What stands where the editor would, when it cannot be loaded. */
export class LoadBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) {
      return this.props.children;
    }
    return (
      <div className="loading" role="alert">
        <p>The editor could not be loaded. The server may have stopped, or been replaced by a newer one.</p>
        <button type="button" className="button" onClick={() => window.location.reload()}>
          Load the page again
        </button>
      </div>
    );
  }
}
